"""Who wins where the URL and this server differ."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from takt.core.errors import BundleError
from takt.mirroring.store import Store
from tests.unit.service.mirroring.conftest import Mirrored
from tests.unit.service.mirroring.uploads import GRAPH, files_of, spoil


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


def test_a_version_that_was_made_here_after_another_one_was_refused_stays(
    found: Mirrored, make_bundle
) -> None:
    make_bundle(version="3", scale=0.6, trained=0.6)
    mend = spoil(found.there / "parts/3" / GRAPH)
    found.mirror.look()
    ours = found.here / "parts/3"
    shutil.copytree(found.here / "parts/1", ours)
    before = files_of(ours)

    mend()
    found.now_s = 11
    found.mirror.look()
    assert files_of(ours) == before
    assert "was made here" in found.mirror.refused["parts/3"]

    shutil.rmtree(found.there / "parts/3")
    for _ in range(3):
        found.mirror.look()
    assert files_of(ours) == before


def test_a_version_that_is_made_here_while_another_one_comes_stays(
    found: Mirrored, make_bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    found.mirror.look()
    make_bundle(version="3", scale=0.6, trained=0.6)
    ours = found.here / "parts/3"
    chunks = Store.chunks

    def slow(store: Store, *parts: str, most_bytes: int) -> Iterator[bytes]:
        yield from chunks(store, *parts, most_bytes=most_bytes)
        if not ours.exists():
            shutil.copytree(found.here / "parts/1", ours)

    monkeypatch.setattr(Store, "chunks", slow)
    found.mirror.look()
    assert files_of(ours) == files_of(found.here / "parts/1")
    found.now_s = 11
    found.mirror.look()
    assert files_of(ours) == files_of(found.here / "parts/1")
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
