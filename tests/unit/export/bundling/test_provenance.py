from __future__ import annotations

import getpass
import hashlib
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from takt_export.bundling.provenance import picture_set, provenance


def write(folder: Path, **contents: bytes) -> list[Path]:
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name}.png").write_bytes(content)
    return sorted(folder.iterdir())


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs coreutils")
def test_anybody_can_compute_the_digest_of_pictures_again(tmp_path: Path) -> None:
    pictures = write(tmp_path / "good", a=b"one", b=b"two", c=b"three")
    command = "sha256sum * | cut -d' ' -f1 | LC_ALL=C sort | sha256sum | cut -d' ' -f1"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path / "good", capture_output=True, text=True, check=True
    )

    found = picture_set(pictures)

    assert (found.count, found.digest) == (3, done.stdout.strip())


def test_no_pictures_are_a_set_as_well() -> None:
    assert picture_set([]).count == 0


def test_names_and_order_do_not_count_and_every_byte_does(tmp_path: Path) -> None:
    found = picture_set(write(tmp_path / "a", a=b"one", b=b"two"))

    assert picture_set(write(tmp_path / "b", c=b"two", d=b"one")[::-1]) == found
    assert picture_set(write(tmp_path / "c", a=b"one", b=b"twO")).digest != found.digest
    assert picture_set(write(tmp_path / "d", a=b"one", b=b"two", c=b"two")) != found


def test_the_files_of_a_model_are_there_by_their_digests(tmp_path: Path) -> None:
    good = write(tmp_path / "good", a=b"one")
    one, two = tmp_path / "teacher.pth", tmp_path / "student.pth"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    digests = tuple(sorted(hashlib.sha256(content).hexdigest() for content in (b"1", b"2")))

    assert provenance(good, [], [one, two]).files == digests
    assert provenance(good, [], [tmp_path]).files == digests


def test_nothing_names_a_person_a_host_a_folder_or_a_file(tmp_path: Path) -> None:
    good = write(tmp_path / "acme-secret-part", spindle=b"one")
    checkpoint = tmp_path / "acme.ckpt"
    checkpoint.write_bytes(b"weights")

    found = provenance(good, good, [checkpoint]).model_dump_json()

    for name in (socket.gethostname(), f"/{getpass.getuser()}", "acme", "spindle", str(tmp_path)):
        assert name not in found
    assert str(Path.home()) not in found
