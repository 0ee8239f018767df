"""Files on disk: the old one or the new one, whatever happens in between."""

import errno
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laconic.codec
from laconic.artifact import Artifact, Limits, Notes, pack, read, unpack, write
from laconic.artifact.files import identity
from laconic.base.errors import ArtifactError, LaconicError, LimitError, ResourceError, UsageError
from laconic.forms import Codebook, Dense, Grid

OLD = b"what stood here before"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file that stands already; afterwards it stands there alone."""
    file = tmp_path / "net.lac"
    file.write_bytes(OLD)
    yield file
    assert os.listdir(tmp_path) == ["net.lac"]


def test_what_is_written_is_read(path: Path, small: Artifact) -> None:
    content = write(path, small)
    assert read(path) == path.read_bytes() == content == pack(small)
    assert identity(content) == hashlib.sha256(content).hexdigest()
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", ["with spaces .lac", "网络.lac", "ö'\";$(ls).lac", "no suffix"])
def test_any_name_will_do(tmp_path: Path, name: str, small: Artifact) -> None:
    assert write(tmp_path / name, small, weights_only=True) == read(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def lie_about_values(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.codec.decode
    monkeypatch.setattr(laconic.codec, "decode", lambda *given: np.roll(honest(*given), 1))


def lie_about_one_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.codec.decode_array
    monkeypatch.setattr(laconic.codec, "decode_array", lambda stream, dtype, n: honest(stream, dtype, n) * -1)  # 0.0 is now -0.0


def lie_about_types(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.codec.decode_array
    monkeypatch.setattr(laconic.codec, "decode_array", lambda stream, dtype, n: honest(stream, dtype, n).view(np.int32))


def lie_about_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.artifact.unpack.__globals__["rebuild"]
    monkeypatch.setitem(
        laconic.artifact.unpack.__globals__, "rebuild", lambda kind, shape, *parts: honest(kind, (int(np.prod(shape)), 1), *parts)
    )


def break_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.codec.encode
    monkeypatch.setattr(laconic.codec, "encode", lambda values: honest(values) + b"\0")


def drop_the_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(laconic.artifact.unpack.__globals__, "read_notes", lambda *_: Notes())


def drop_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(laconic.artifact.unpack.__globals__, "inflate", lambda *_: b"another")


LIES = [lie_about_values, lie_about_one_bit, lie_about_types, lie_about_shapes, break_streams, drop_the_notes, drop_the_graph]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_nothing_is_published_that_does_not_read_back(
    lie: Callable[[pytest.MonkeyPatch], None], path: Path, small: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie(monkeypatch)
    with pytest.raises(ArtifactError, match=r"survive|read back") as caught:
        write(path, small)
    assert "nothing was written" in caught.value.hint
    assert path.read_bytes() == OLD


def test_renamed_tensors_are_noticed(path: Path, small: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.artifact.files.unpack", lambda content: unpack(pack(Artifact({"other": Dense.of(np.ones(1))}))))
    with pytest.raises(ArtifactError, match="names"):
        write(path, small)
    assert path.read_bytes() == OLD


@pytest.mark.parametrize(
    "form",
    [
        Grid((2,), np.array([1, 2**24 + 1]), np.float32([1])),
        Grid((2,), np.array([1, 70_000]), np.float16([0.5])),
        Grid((2,), np.array([1, 3]), np.float32([np.nan])),
        Grid((2,), np.array([1, 3]), np.array([1], np.int32)),
        Grid((3, 1), np.array([[1], [3], [5]]), np.float32([1, 2])),
        Codebook((2,), np.array([0, 2]), np.float32([1, 2])),
    ],
    ids=["long", "overflow", "nan", "integer", "rows", "place"],
)
def test_forms_that_no_reader_takes_are_not_published(form: Any, path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read back"):
        write(path, Artifact({"w": form}))
    assert path.read_bytes() == OLD


def failing(error: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(error, os.strerror(error))

    return fail


STEPS = [(tempfile, "mkstemp"), (os, "fsync"), (os, "chmod"), (os, "replace")]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_failure_at_any_step_leaves_the_old_file(
    module: Any, step: str, error: int, path: Path, small: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, step, failing(error))
    with pytest.raises(ResourceError) as caught:
        write(path, small)
    assert caught.value.exit_code == 6
    assert ("disk is full" in caught.value.what) == (error == errno.ENOSPC)
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interruption_leaves_the_old_file(step: str, path: Path, small: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(path, small)
    assert path.read_bytes() == OLD


def test_a_write_that_is_torn_leaves_the_old_file(path: Path) -> None:
    """A file-size limit lets the first bytes through and refuses the rest, as a full disk does."""
    artifact = Artifact({"w": Dense.of(np.random.default_rng(0).normal(size=5000))})
    unpack(pack(artifact))  # compiles the kernels: their cache is a file too
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(ResourceError, match="disk is full"):
            write(path, artifact)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == OLD


def test_places_that_take_no_file(tmp_path: Path, small: Artifact) -> None:
    with pytest.raises(UsageError, match="folder"):
        write(tmp_path, small)
    with pytest.raises(UsageError, match="does not exist"):
        write(tmp_path / "missing" / "net.lac", small)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder(tmp_path: Path, small: Artifact) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ResourceError):
            write(tmp_path / "net.lac", small)
    finally:
        tmp_path.chmod(0o700)


def test_files_that_cannot_be_read(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read(tmp_path / "missing.lac")
    with pytest.raises(UsageError, match="folder"):
        read(tmp_path)
    assert read(path, Limits(file_bytes=len(OLD))) == OLD
    with pytest.raises(LimitError, match="longer than"):
        read(path, Limits(file_bytes=len(OLD) - 1))
    monkeypatch.setattr(Path, "open", failing(errno.EACCES))
    with pytest.raises(ResourceError, match="Permission denied"):
        read(path)


def test_errors_are_of_the_family() -> None:
    assert issubclass(LimitError, ArtifactError)
    assert issubclass(ResourceError, LaconicError)


def test_looking_at_a_file_imports_no_compiler(path: Path, small: Artifact) -> None:
    write(path, small)
    code = f"import sys; from laconic.artifact import layout, read; from pathlib import Path; layout(read(Path({str(path)!r})))"
    lines = f"{code}; print(sorted({{'numba', 'torch', 'onnxruntime'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True).stdout == "[]\n"
