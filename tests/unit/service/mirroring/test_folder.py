"""The mirror's own folder, after a process was stopped in the midst of something."""

from pathlib import Path

import pytest

from takt.core.bundles.manifest import Manifest
from takt.core.errors import ConfigurationError
from takt.mirroring.folder import Fetched, MirrorFolder


@pytest.fixture
def folder(tmp_path: Path) -> MirrorFolder:
    return MirrorFolder(tmp_path / "mirror" / "here")


def test_a_version_that_was_being_replaced_is_there_again(folder: MirrorFolder) -> None:
    former = folder.path / "parts" / ".1.former-00000000"
    former.mkdir(parents=True)
    (former / "manifest.json").write_text("{}")
    coming = folder.path / ".incoming-00000000" / "parts" / "1"
    coming.mkdir(parents=True)

    folder.recover()
    assert (folder.path / "parts/1/manifest.json").exists()
    assert [one.name for one in folder.path.iterdir()] == ["parts"]


def test_a_version_that_was_replaced_is_not_undone(folder: MirrorFolder) -> None:
    (folder.path / "parts" / "1").mkdir(parents=True)
    (folder.path / "parts" / "1" / "new").touch()
    (folder.path / "parts" / ".1.former-00000000").mkdir()

    folder.recover()
    assert [one.name for one in (folder.path / "parts").iterdir()] == ["1"]
    assert (folder.path / "parts" / "1" / "new").exists()


def test_a_version_that_cannot_be_put_leaves_the_one_before(
    folder: MirrorFolder, make_bundle, tmp_path: Path
) -> None:
    manifest: Manifest = make_bundle().manifest
    (folder.path / "parts" / "1").mkdir(parents=True)
    (folder.path / "parts" / "1" / "old").touch()

    with pytest.raises(ConfigurationError, match="cannot be written"):
        folder.put("parts/1", tmp_path / "missing", manifest)
    assert (folder.path / "parts" / "1" / "old").exists()


def test_a_folder_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(ConfigurationError, match="name another data_folder"):
        MirrorFolder(tmp_path / "data" / "mirror")


def test_what_came_is_remembered(folder: MirrorFolder) -> None:
    fetched = Fetched(versions={"parts/1": "0" * 64}, decisions={"parts": "1" * 64})
    folder.remember(fetched)
    assert MirrorFolder(folder.path).fetched() == fetched
