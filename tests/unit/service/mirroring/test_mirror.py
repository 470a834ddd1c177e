"""What a look at a URL brings, and what it leaves as it is."""

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import BundleError, UnavailableError
from tests.unit.service.mirroring.conftest import Mirrored

GRAPH = "model.onnx"


@pytest.fixture
def found(mirrored: Callable[..., Mirrored], make_bundle) -> Mirrored:
    """A mirror of versions 1 and 2, which has not looked yet."""
    make_bundle()
    make_bundle(version="2", scale=0.8, trained=0.8)
    return mirrored()


def spoil(file: Path) -> Callable[[], object]:
    whole = file.read_bytes()
    file.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    return lambda: file.write_bytes(whole)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_all_that_is_there_comes(found: Mirrored) -> None:
    assert found.mirror.look() is True

    assert found.versions == ["parts/1", "parts/2"]
    assert files_of(found.here / "parts/2") == files_of(found.there / "parts/2")
    assert found.mirror.refused == {}
    assert [path.name for path in found.here.iterdir() if path.is_dir()] == ["parts"]


def test_what_is_here_is_not_fetched_again(found: Mirrored) -> None:
    found.mirror.look()
    before = (found.here / "parts/2" / GRAPH).stat().st_ino
    # A manifest is what tells; only it is read.
    (found.there / "parts/2" / GRAPH).unlink()

    assert found.mirror.look() is False
    assert (found.here / "parts/2" / GRAPH).stat().st_ino == before


def test_a_version_that_is_exported_anew_replaces_the_one_that_is_here(
    found: Mirrored, make_bundle
) -> None:
    found.mirror.look()
    shutil.rmtree(found.there / "parts/2")
    make_bundle(version="2", scale=0.6, trained=0.6)

    assert found.mirror.look() is True
    assert files_of(found.here / "parts/2") == files_of(found.there / "parts/2")
    assert not [path for path in (found.here / "parts").iterdir() if path.name.startswith(".")]


def test_a_file_that_is_another_than_the_manifest_says_is_refused_by_name_and_digest(
    found: Mirrored, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(found.there / "parts/2" / GRAPH)

    with caplog.at_level(logging.WARNING):
        found.mirror.look()
        found.mirror.look()

    assert found.versions == ["parts/1"]
    listed = json.loads((found.there / "parts/2/manifest.json").read_text())["files"][GRAPH]
    reason = found.mirror.refused["parts/2"]
    assert f"parts/2/{GRAPH}" in reason and listed in reason and "upload" in reason
    assert len([one for one in caplog.records if "parts/2" in one.message]) == 1


def test_a_refused_version_is_fetched_again_after_a_time_that_doubles(found: Mirrored) -> None:
    graph = found.there / "parts/2" / GRAPH
    mend = spoil(graph)
    found.mirror.look()
    mend()

    found.now_s = 9
    assert found.mirror.look() is False
    assert "parts/2" in found.mirror.refused
    spoil(graph)
    found.now_s = 11
    found.mirror.look()
    mend()
    found.now_s = 30
    assert found.mirror.look() is False
    found.now_s = 32
    assert found.mirror.look() is True
    assert found.mirror.refused == {} and "parts/2" in found.versions


def test_a_refused_version_is_fetched_at_once_when_its_manifest_changes(
    found: Mirrored, make_bundle
) -> None:
    spoil(found.there / "parts/2" / GRAPH)
    found.mirror.look()
    shutil.rmtree(found.there / "parts/2")
    make_bundle(version="2", scale=0.6, trained=0.6)

    assert found.mirror.look() is True
    assert found.mirror.refused == {}


def test_a_manifest_before_its_files_waits_for_them(found: Mirrored) -> None:
    golden = found.there / "parts/2/golden.npz"
    content = golden.read_bytes()
    golden.unlink()
    found.mirror.look()
    assert "golden.npz is not there" in found.mirror.refused["parts/2"]
    assert found.versions == ["parts/1"]

    golden.write_bytes(content)
    found.now_s = 11
    found.mirror.look()
    assert found.versions == ["parts/1", "parts/2"]


def test_files_before_their_manifest_are_no_version_yet(found: Mirrored) -> None:
    (found.there / "parts/2/manifest.json").unlink()

    found.mirror.look()
    assert found.versions == ["parts/1"] and found.mirror.refused == {}


def test_a_corrupt_upload_over_a_good_version_leaves_the_good_one(
    found: Mirrored, make_bundle
) -> None:
    found.mirror.look()
    good = files_of(found.here / "parts/2")
    shutil.rmtree(found.there / "parts/2")
    make_bundle(version="2", scale=0.6, trained=0.6)
    spoil(found.there / "parts/2" / GRAPH)

    assert found.mirror.look() is False
    assert files_of(found.here / "parts/2") == good


def test_a_version_in_a_folder_of_another_name_is_refused(found: Mirrored) -> None:
    (found.there / "parts/2").rename(found.there / "parts/3")
    found.mirror.look()

    assert "belongs to" in found.mirror.refused["parts/3"]
    assert found.versions == ["parts/1"]


def test_a_bundle_whose_folder_is_no_version_is_told_of_once_and_not_fetched(
    found: Mirrored, make_bundle, caplog: pytest.LogCaptureFixture
) -> None:
    make_bundle(version="old")
    make_bundle(version="2.1.0+cam2")
    found.mirror.look()
    found.mirror.look()
    assert found.versions == ["parts/1", "parts/2", "parts/2.1.0+cam2"]
    (told,) = (one for one in caplog.messages if "parts/old" in one)
    assert told.startswith("parts/old is not taken: 'old' is no version: a version is a number")


def test_a_version_goes_after_two_looks_without_it(found: Mirrored) -> None:
    found.mirror.look()
    shutil.rmtree(found.there / "parts/1")

    assert found.mirror.look() is False
    assert found.versions == ["parts/1", "parts/2"]
    assert found.mirror.look() is True
    assert found.versions == ["parts/2"]


def test_the_active_version_stays_until_another_one_is(found: Mirrored) -> None:
    found.mirror.look()
    found.active = {"parts/2"}
    shutil.rmtree(found.there / "parts/2")
    for _ in range(3):
        found.mirror.look()
    assert found.versions == ["parts/1", "parts/2"]
    assert "until another one is activated" in found.mirror.refused["parts/2"]

    found.active = {"parts/1"}
    found.mirror.look()
    assert found.versions == ["parts/1"]


def test_an_empty_or_missing_place_changes_nothing(found: Mirrored) -> None:
    found.mirror.look()
    shutil.rmtree(found.there / "parts")
    for _ in range(3):
        with pytest.raises(UnavailableError):
            found.mirror.look()
    (found.there / "parts").mkdir()
    for _ in range(3):
        with pytest.raises(UnavailableError, match="no bundle"):
            found.mirror.look()
    found.there.rename(found.there.with_name("elsewhere"))
    for _ in range(3):
        with pytest.raises(UnavailableError, match="there is no"):
            found.mirror.look()
    assert found.versions == ["parts/1", "parts/2"]


def test_a_look_that_fails_between_two_does_not_count_as_one_without_the_version(
    found: Mirrored,
) -> None:
    found.mirror.look()
    away = found.there / "parts"
    away.rename(found.there.with_name("elsewhere"))
    with pytest.raises(UnavailableError):
        found.mirror.look()
    found.there.with_name("elsewhere").rename(away)

    assert found.mirror.look() is False
    assert found.versions == ["parts/1", "parts/2"]


def test_a_decision_comes_when_it_changes_there_and_what_was_decided_here_stays_till_then(
    found: Mirrored,
) -> None:
    found.decide(found.there, "1")
    found.mirror.look()
    assert found.decided() == "1"

    found.decide(found.here, "2")
    assert found.mirror.look() is False
    assert found.decided() == "2"

    found.decide(found.there, "1", "parts")
    (found.there / "parts/active.json").write_text(
        (found.there / "parts/active.json").read_text() + "\n"
    )
    assert found.mirror.look() is True
    assert found.decided() == "1"

    (found.there / "parts/active.json").unlink()
    found.mirror.look()
    assert found.decided() == "1"


def test_a_decision_for_a_version_that_is_not_here_waits_for_it(found: Mirrored) -> None:
    found.decide(found.there, "1")
    found.mirror.look()
    mend = spoil(found.there / "parts/2" / GRAPH)
    shutil.rmtree(found.here / "parts/2")
    found.decide(found.there, "2")
    found.mirror.look()
    assert found.decided() == "1"
    assert "names version 2" in found.mirror.refused["parts"]

    mend()
    found.now_s = 11
    found.mirror.look()
    assert found.decided() == "2" and found.mirror.refused == {}


def test_a_damaged_decision_is_not_taken(mirrored, make_bundle) -> None:
    make_bundle()
    found = mirrored()
    (found.there / "parts/active.json").write_text("{}")
    found.mirror._rules = type(found.mirror._rules)("active.json", refuse, lambda *_: False)

    found.mirror.look()
    assert "is not taken" in found.mirror.refused["parts"]
    assert not (found.here / "parts/active.json").exists()


def refuse(content: bytes) -> str:
    raise BundleError("active.json: Field required: active")


def test_thresholds_that_were_set_here_stay_until_the_versions_own_change(
    found: Mirrored, make_bundle
) -> None:
    found.mirror.look()
    own = found.here / "parts/2/thresholds.json"
    own.write_text("{}")
    (found.here / "parts/2/host.json").write_text("{}")
    shutil.rmtree(found.there / "parts/2")
    make_bundle(version="2", scale=0.8, trained=0.8, notes=("exported again",))
    assert found.mirror.look() is True
    assert own.exists()

    shutil.rmtree(found.there / "parts/2")
    thresholds = {"image": 0.4, "pixel": 0.4, "method": "by hand", "good_count": 40}
    make_bundle(version="2", scale=0.8, trained=0.8, thresholds=thresholds)
    assert found.mirror.look() is True
    assert not own.exists() and (found.here / "parts/2/host.json").exists()


def test_a_calibration_here_stays_until_the_manifest_there_changes(found: Mirrored) -> None:
    found.mirror.look()
    manifest = found.here / "parts/2/manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")

    assert found.mirror.look() is False
    assert manifest.read_bytes().endswith(b"\n\n")


def test_a_version_that_was_made_here_is_neither_replaced_nor_removed(
    found: Mirrored, make_bundle
) -> None:
    found.mirror.look()
    ours = found.here / "parts/3"
    shutil.copytree(found.here / "parts/1", ours)
    for _ in range(3):
        assert found.mirror.look() is False
    assert ours.exists()

    make_bundle(version="3")
    found.mirror.look()
    assert "was made here" in found.mirror.refused["parts/3"]


def test_another_server_at_the_same_folder_is_left_to_it(found: Mirrored) -> None:
    with found.mirror._folder.locked() as is_ours:
        assert is_ours
        assert found.mirror.look() is None
    assert found.versions == []
    assert found.mirror.look() is True


def test_what_one_server_fetched_the_next_does_not(
    found: Mirrored, mirrored: Callable[..., Mirrored]
) -> None:
    found.mirror.look()
    found.mirror._folder.remember(found.mirror._folder.fetched().model_copy())

    assert mirrored().mirror.look() is False


def test_without_its_memory_a_mirror_knows_what_is_equal(
    found: Mirrored, mirrored: Callable[..., Mirrored]
) -> None:
    found.mirror.look()
    (found.here / "mirror.json").write_text("{")

    assert mirrored().mirror.look() is False
    assert found.mirror._folder.fetched().versions.keys() == {"parts/1", "parts/2"}


def test_a_disk_that_takes_nothing_is_told_and_the_version_fetched_again_later(
    found: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found.there / "parts/2/manifest.json").unlink()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full)
        found.mirror.look()
    assert "No space left on device; make room" in found.mirror.refused["parts/1"]
    assert found.versions == []

    assert found.mirror.look() is False
    found.now_s = 11
    assert found.mirror.look() is True
    assert found.versions == ["parts/1"]


def test_a_model_that_is_removed_there_and_then_here_does_not_come_again(
    found: Mirrored, make_bundle
) -> None:
    make_bundle("nuts")
    found.mirror.look()
    found.active = {"parts/2", "nuts/1"}
    shutil.rmtree(found.there / "nuts")
    for _ in range(3):
        found.mirror.look()
    assert "nuts/1" in found.versions

    shutil.rmtree(found.here / "nuts")
    found.active = {"parts/2"}
    for _ in range(3):
        found.mirror.look()
    assert found.versions == ["parts/1", "parts/2"] and found.mirror.refused == {}
