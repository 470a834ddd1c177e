import os
from pathlib import Path

import pytest

from takt.core.bundles.files import make_private, write_atomically


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(b"former")
    file.chmod(0o640)
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_has_the_mode_that_the_process_gives(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_atomically(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == plain.stat().st_mode


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "file"
    file.write_bytes(b"former")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [file]


def test_a_private_folder_is_nobody_elses_and_one_that_is_there_stays(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "above" / "below")
    make_private(tmp_path / "above" / "below")
    modes = [place.stat().st_mode & 0o777 for place in (tmp_path, *tmp_path.rglob("*"))]
    assert modes == [0o755, 0o700, 0o700]
