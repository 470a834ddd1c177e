"""What a look at a URL brings, and what it leaves as it is."""

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from takt.core.errors import UnavailableError
from tests.unit.service.mirroring.conftest import Mirrored
from tests.unit.service.mirroring.uploads import GRAPH, files_of, spoil


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


class Failing:
    """Has the store fail with one file, whatever else it gives."""

    def __init__(self, found: Mirrored, monkeypatch: pytest.MonkeyPatch, *parts: str) -> None:
        self.fails, self.asked = True, 0
        self.fail: Callable[[], object] = lambda: None
        for name in ("read", "chunks"):
            monkeypatch.setattr(found.store, name, self._instead_of(name, found, parts))

    def _instead_of(self, name: str, found: Mirrored, failing: tuple[str, ...]) -> Any:
        usual = getattr(found.store, name)

        def ask(*parts: str, most_bytes: int) -> Any:
            if parts == failing:
                self.asked += 1
                if self.fails:
                    self.fail()
                    raise UnavailableError(f"{'/'.join(parts)}: its key is gone")
            return usual(*parts, most_bytes=most_bytes)

        return ask


@pytest.mark.parametrize(
    "failing",
    [("parts/1", "manifest.json"), ("parts/1", GRAPH), ("parts", "active.json")],
    ids=["manifest", "file", "decision"],
)
def test_what_cannot_be_had_for_good_keeps_nothing_else_from_coming(
    found: Mirrored, make_bundle, monkeypatch: pytest.MonkeyPatch, failing: tuple[str, str]
) -> None:
    make_bundle("screws")
    found.decide(found.there, "2")
    found.decide(found.there, "1", "screws")
    one = Failing(found, monkeypatch, *failing)
    # At first it may be the store that fails for a moment.
    for _ in range(2):
        with pytest.raises(UnavailableError, match="its key is gone"):
            found.mirror.look()

    found.mirror.look()

    is_decision = failing[0] == "parts"
    assert found.versions == ["parts/1"] * is_decision + ["parts/2", "screws/1"]
    assert found.decided("screws") == "1"
    assert list(found.mirror.refused) == [failing[0]]
    assert "its key is gone" in found.mirror.refused[failing[0]]

    # It is asked for again after a time that doubles.
    asked = one.asked
    found.now_s = 9
    found.mirror.look()
    assert one.asked == asked and list(found.mirror.refused) == [failing[0]]
    found.now_s = 11
    found.mirror.look()
    assert one.asked == asked + 1
    one.fails = False
    found.now_s = 30
    found.mirror.look()
    assert one.asked == asked + 1
    found.now_s = 32
    assert found.mirror.look() is True
    assert found.mirror.refused == {}
    assert found.versions == ["parts/1", "parts/2", "screws/1"] and found.decided() == "2"


def test_a_store_that_goes_away_in_the_midst_of_a_look_is_away_however_often(
    found: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = found.there.with_name("gone")
    one = Failing(found, monkeypatch, "parts/1", "manifest.json")
    one.fail = lambda: found.there.rename(gone)
    for _ in range(5):
        with pytest.raises(UnavailableError, match="there is no"):
            found.mirror.look()
        gone.rename(found.there)
    one.fails = False
    assert found.mirror.look() is True
    assert found.mirror.refused == {}


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
