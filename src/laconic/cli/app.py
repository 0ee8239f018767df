"""The table of commands, and the way in and out of the program."""

import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn

import typer

import laconic
from laconic.cli.commands.bench import bench
from laconic.cli.commands.check import check
from laconic.cli.commands.compare import compare
from laconic.cli.commands.compress import compress
from laconic.cli.commands.demo import demo
from laconic.cli.commands.export import export
from laconic.cli.commands.inspect import inspect
from laconic.cli.commands.pack import pack
from laconic.cli.commands.profile import profile
from laconic.cli.commands.report import report
from laconic.cli.commands.run import run
from laconic.cli.commands.sensitivity import sensitivity
from laconic.cli.commands.unpack import unpack
from laconic.cli.commands.verify import verify
from laconic.cli.failures import INTERRUPTED, fail
from laconic.cli.terminal import complain, forgive_narrow_encodings

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "compress": compress,
    "check": check,
    "profile": profile,
    "sensitivity": sensitivity,
    "pack": pack,
    "unpack": unpack,
    "inspect": inspect,
    "verify": verify,
    "run": run,
    "bench": bench,
    "export": export,
    "report": report,
    "compare": compare,
}

DEBUG = "--debug"
RESUME = "--resume"

EPILOG = """MODEL is zoo:resnet20, torchvision:resnet18, timm:mobilenetv3_small_100, path/file.py:build or package.module:build; or a
file that holds a graph: file.onnx or file.lac.

DATA is digits, mnist:DIR, cifar10:DIR, cifar100:DIR, folder:DIR, npz:FILE or path/file.py:make.

Results go to stdout, progress and warnings to stderr; --debug, anywhere on the line, shows the traceback of an error.

Exit codes: 0 done, 2 usage or recipe, 3 model or data, 4 budget not reachable, 5 bad artifact, 6 disk or memory, 130 interrupted."""

app = typer.Typer(name="laconic", epilog=EPILOG, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
for word, command in COMMANDS.items():
    app.command(word, short_help=(command.__doc__ or "").partition("\n")[0])(command)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"laconic {laconic.__version__}")
        raise typer.Exit


@app.callback(no_args_is_help=True)
def _top(
    version: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and stop.")] = False,
) -> None:
    """Make trained neural networks small and fast: one small file that loads without its class, every number measured."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code.

    Args:
        arguments: the words after `laconic`; `None` takes those of this process.

    Raises:
        SystemExit: always; the code is 0, or that of the error (see `base/errors.py`).
    """
    forgive_narrow_encodings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what asks us to stop is an interruption like Ctrl-C
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app([word for word in words if word != DEBUG], prog_name="laconic")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            resumable = words[:1] == ["compress"]
            again = words if RESUME in words else [*words, RESUME]
            complain(f"interrupted; to go on:  laconic {shlex.join(again)}" if resumable else "interrupted: nothing was written")
        raise
    except Exception as cause:  # noqa: BLE001  the one place where every error ends
        fail(cause, debug=DEBUG in words)
    sys.exit(0)
