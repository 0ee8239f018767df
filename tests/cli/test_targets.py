"""Wrong paths are found before the work."""

import os
from pathlib import Path

import pytest

from laconic.base.errors import ResourceError, UsageError
from laconic.cli.targets import check_file, make_folder


def test_files(tmp_path: Path) -> None:
    check_file(None)
    check_file(tmp_path / "new")
    for wrong in (tmp_path, tmp_path / "gone" / "new"):
        with pytest.raises(UsageError):
            check_file(wrong)


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # as root, every folder may be written to
    with pytest.raises(ResourceError):
        check_file(tmp_path / "new")


def test_folders(tmp_path: Path) -> None:
    make_folder(None)
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "f").touch()
    for wrong in (tmp_path / "f", tmp_path / "f" / "g"):
        with pytest.raises(UsageError):
            make_folder(wrong)
