"""Files on disk: the old one or the new one, whatever happens in between."""

import errno
import hashlib
import mmap
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import laconic.artifact.blocks
import laconic.artifact.decode
import laconic.artifact.encode
import laconic.artifact.pools
import laconic.artifact.tails
from laconic.artifact import Artifact, Limits, Notes, layout, pack, read, unpack, write
from laconic.artifact.files import identity
from laconic.artifact.layout import open_contents
from laconic.base.errors import ArtifactError, LaconicError, LimitError, ResourceError, UsageError
from laconic.forms import Codebook, Dense, Grid, Masked

OLD = b"what stood here before"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file that stands already; afterwards it stands there alone."""
    file = tmp_path / "net.lac"
    file.write_bytes(OLD)
    yield file
    assert os.listdir(tmp_path) == ["net.lac"]


def test_what_is_written_is_read(path: Path, small: Artifact) -> None:
    written = write(path, small)
    content = read(path)
    assert content == path.read_bytes() == pack(small)
    assert written == (len(content), hashlib.sha256(content).hexdigest())
    assert identity(content) == written.sha256
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", ["with spaces .lac", "网络.lac", "ö'\";$(ls).lac", "no suffix"])
def test_any_name_will_do(tmp_path: Path, name: str, small: Artifact) -> None:
    write(tmp_path / name, small, weights_only=True)
    assert read(tmp_path / name) == pack(small, weights_only=True)
    assert os.listdir(tmp_path) == [name]


def lie_about_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(stream: memoryview, shapes: list[tuple[int, ...]]) -> Any:
        blocks, ends = honest(stream, shapes)
        return [block[::-1] for block in blocks], ends

    honest = laconic.artifact.decode.read_group
    monkeypatch.setattr(laconic.artifact.decode, "read_group", swapped)


def lie_about_one_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.artifact.pools.decode_array
    monkeypatch.setattr(laconic.artifact.pools, "decode_array", lambda stream, dtype, n: honest(stream, dtype, n) * -1)  # 0.0 is now -0.0


def lie_about_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.artifact.tails.decode_tails
    monkeypatch.setattr(laconic.artifact.tails, "decode_tails", lambda *given: honest(*given) ^ 1)


def lie_about_types(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.artifact.decode.decode_pool
    monkeypatch.setattr(laconic.artifact.decode, "decode_pool", lambda *given: honest(*given).view(np.int32))


def lie_about_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (laconic.artifact.decode, laconic.artifact.blocks):
        honest = module.rebuild
        monkeypatch.setattr(module, "rebuild", lambda kind, shape, *parts, honest=honest: honest(kind, (int(np.prod(shape)), 1), *parts))


def break_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laconic.artifact.encode.encode_group
    monkeypatch.setattr(laconic.artifact.encode, "encode_group", lambda *given: honest(*given) + b"\0")


def drop_the_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(laconic.artifact.unpack.__globals__, "read_notes", lambda *_: Notes())


def drop_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(laconic.artifact.unpack.__globals__, "inflate", lambda *_: b"another")


LIES = [lie_about_integers, lie_about_one_bit, lie_about_tails, lie_about_types, lie_about_shapes]
LIES += [break_streams, drop_the_notes, drop_the_graph]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_nothing_is_published_that_does_not_read_back(
    lie: Callable[[pytest.MonkeyPatch], None], path: Path, small: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {**small.tensors, "large": Dense.of(np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32))}
    artifact = replace(small, tensors=tensors)
    lie(monkeypatch)
    with pytest.raises(ArtifactError, match=r"survive|read back") as caught:
        write(path, artifact)
    assert "nothing was written" in caught.value.hint
    assert path.read_bytes() == OLD


def test_renamed_tensors_are_noticed(path: Path, small: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "laconic.artifact.files.open_contents", lambda *_: open_contents(pack(Artifact({"x": Dense.of(np.ones(1))})), Limits())
    )
    with pytest.raises(ArtifactError, match="names"):
        write(path, small)
    assert path.read_bytes() == OLD


@pytest.mark.parametrize(
    "form",
    [
        Grid((2,), np.array([1, 2**24 + 1]), np.float32([1])),
        Grid((2,), np.array([1, 70_000]), np.float16([0.5])),
        Grid((2,), np.array([1, 3]), np.float32([np.nan])),
        Codebook((2,), np.array([0, 2]), np.float32([1, 2])),
    ],
    ids=["long", "overflow", "nan", "place"],
)
def test_forms_that_no_reader_takes_are_not_published(form: Any, path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read back"):
        write(path, Artifact({"w": form}))
    assert path.read_bytes() == OLD


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (Grid((2,), np.array([1, 3]), np.array([1], np.int32)), "floats of 16 bits or more"),
        (Grid((2,), np.array([1, 3]), np.ones(1).astype(ml_dtypes.float8_e5m2)), "floats of 16 bits or more"),
        (Grid((3, 1), np.array([[1], [3], [5]]), np.float32([1, 2])), "cannot have 2 steps"),
        (Masked.of(np.array([0, 3, 0])), "a masked weight is made of floats"),
        (Codebook((2,), np.array([0, 1]), np.arange(300).astype(np.uint8)), "cannot have 300 entries"),
        (Codebook((2,), np.array([0, 1]), np.float32([])), "cannot have 0 entries"),
    ],
    ids=["integers", "bytes", "rows", "mask", "entries", "none"],
)
def test_forms_that_there_cannot_be_are_refused_by_name(form: Any, why: str, path: Path) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        write(path, Artifact({"w": form}))
    assert caught.value.where == "w"
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


def test_large_files_are_looked_at_and_not_read(path: Path, small: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, small)
    monkeypatch.setattr("laconic.artifact.files.MAPPED_FROM", 10)
    content = read(path)
    assert isinstance(content, memoryview)
    assert isinstance(content.obj, mmap.mmap)
    assert identity(content) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert pack(unpack(content)) == path.read_bytes()
    assert layout(content).entries == layout(path.read_bytes()).entries


def test_streams_that_outgrow_memory_wait_without_a_name(tmp_path: Path, everything: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr("laconic.base.files._IN_MEMORY", 1)
    write(tmp_path / "net.lac", everything, progress=lambda *_: seen.append(os.listdir(tmp_path)))
    assert (tmp_path / "net.lac").read_bytes() == pack(everything)
    assert all(len(names) == 1 for names in seen)  # the file in the making


def test_progress_runs_from_packing_to_verifying(path: Path, everything: Artifact) -> None:
    told: list[tuple[str, float, str]] = []
    write(path, everything, progress=lambda *said: told.append(said))
    for stage in ("pack", "verify"):
        shares = [share for what, share, _ in told if what == stage]
        assert shares == sorted(shares)
        assert shares[-1] == 1
        assert len(set(shares)) > 5
    assert {name for _, _, name in told} == set(everything.tensors)
