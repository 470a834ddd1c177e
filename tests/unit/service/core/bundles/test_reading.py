from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from takt.core.bundles import reading
from takt.core.bundles.bundle import GOLDEN, MANIFEST, MODEL, Bundle, load_bundle
from takt.core.bundles.reading import open_file, read_file
from takt.core.errors import BundleError, ConfigurationError


def test_a_volume_of_kubernetes_is_read(bundle: Bundle, repository: Path) -> None:
    """Its files are links to `..data`, which is a link to a folder beside it."""
    hidden = bundle.path / "..2026_01_01"
    hidden.mkdir()
    (bundle.path / "..data").symlink_to(hidden.name)
    for name in (MANIFEST, *bundle.manifest.files):
        shutil.move(bundle.path / name, hidden / name)
        (bundle.path / name).symlink_to(f"..data/{name}")

    assert load_bundle(bundle.path, repository).manifest == bundle.manifest


def test_links_within_the_repository_are_followed(bundle: Bundle, repository: Path) -> None:
    store = repository / ".store"
    shutil.move(bundle.path, store)
    bundle.path.symlink_to("../.store")
    shutil.move(store / MODEL, repository / "shared.onnx")
    (store / MODEL).symlink_to(repository / "shared.onnx")

    assert load_bundle(bundle.path, repository).manifest == bundle.manifest


def test_a_repository_may_be_a_link_itself(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("models")

    again = load_bundle(tmp_path / "current" / "parts" / "1", tmp_path / "current")

    assert again.manifest == bundle.manifest


def test_a_server_reads_no_version_outside_its_repository_and_a_command_does(
    bundle: Bundle, repository: Path, tmp_path: Path
) -> None:
    shutil.move(bundle.path, tmp_path / "elsewhere")
    bundle.path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BundleError, match=r"manifest\.json is a link that leads out"):
        load_bundle(bundle.path, repository)
    assert load_bundle(bundle.path).manifest == bundle.manifest


def test_a_device_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.os, "open", lambda *_: pytest.fail("it was opened"))

    with pytest.raises(BundleError, match="no regular file"):
        read_file(Path("/dev/zero"), [Path("/dev")], 100)


def test_a_file_that_becomes_a_pipe_meanwhile_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, pipe = tmp_path / "file", tmp_path / "pipe"
    file.write_bytes(b"a")
    os.mkfifo(pipe)
    opened = os.open
    monkeypatch.setattr(reading.os, "open", lambda _, flags: opened(pipe, flags))

    with pytest.raises(BundleError, match="no regular file"):
        read_file(file, [tmp_path], 100)


def test_a_file_of_as_many_bytes_as_allowed_is_read_and_one_more_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1234")

    assert read_file(file, [tmp_path], 4) == b"1234"
    with pytest.raises(ConfigurationError, match="4 bytes, more than the 3"):
        read_file(file, [tmp_path], 3, ConfigurationError)


def test_an_error_of_the_disk_names_its_own_file(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(stream: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("takt.core.bundles.content.listed_files.digest_of", fail)

    first = next(iter(bundle.manifest.files))
    with pytest.raises(BundleError, match=f"{first} cannot be read: Input/output error"):
        load_bundle(bundle.path)


def test_every_file_is_closed_again(bundle: Bundle) -> None:
    before = len(os.listdir("/proc/self/fd"))

    load_bundle(bundle.path)
    (bundle.path / GOLDEN).write_bytes(b"")
    with pytest.raises(BundleError):
        load_bundle(bundle.path)

    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_file(tmp_path / "file", [tmp_path], 1):
        pass
