from pathlib import Path

import pytest

from takt.core.bundles.bundle import MANIFEST
from takt.repository.activation import Activation, keep_activation, read_activation
from takt_export.learning.place import Place, keep_active, next_place
from tests.conftest import MakeBundle
from tests.tested import GRAVE


def with_versions(repository: Path, *versions: str) -> None:
    for version in versions:
        (repository / "parts" / version).mkdir(parents=True)
        (repository / "parts" / version / MANIFEST).touch()


def test_the_first_version_is_1_and_the_repository_need_not_exist(tmp_path: Path) -> None:
    place = next_place(tmp_path / "new" / "models", "parts")
    assert (place.version, place.former, place.active) == ("1", (), None)


def test_the_next_version_comes_after_the_highest_also_where_that_is_no_bundle(
    tmp_path: Path,
) -> None:
    with_versions(tmp_path, "2", "9", "10")
    (tmp_path / "parts" / "11").mkdir()
    (tmp_path / "parts" / ".12.fit").mkdir()
    (tmp_path / "parts" / "99 old").mkdir()
    place = next_place(tmp_path, "parts")
    assert (place.version, place.former, place.active) == ("12", ("2", "9", "10"), "10")


def test_what_somebody_has_activated_stays_so(tmp_path: Path) -> None:
    with_versions(tmp_path, "1", "2")
    decision = Activation.now("1", "2", "lamp")
    keep_activation(tmp_path / "parts", decision)
    place = next_place(tmp_path, "parts")
    assert place.active == "1"
    keep_active(place, print)
    assert read_activation(tmp_path / "parts") == decision


def test_a_folder_that_cannot_keep_what_is_active_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt_export.learning.place.keep_activation", lambda *_: False)
    told: list[str] = []
    keep_active(Place(tmp_path, "parts", "2", ("1",)), told.append)
    assert "cannot keep that version 1 stays active" in told[0]


def test_a_version_that_waits_as_its_self_test_says_is_not_made_active_by_a_later_one(
    make_bundle: MakeBundle, repository: Path
) -> None:
    make_bundle(self_test=GRAVE)
    place = next_place(repository, "parts")
    assert (place.active, place.base) == (None, "1")
    keep_active(place, print)
    assert read_activation(repository / "parts") is None


def test_a_version_stays_active_though_a_later_one_waits(
    make_bundle: MakeBundle, repository: Path
) -> None:
    make_bundle()
    make_bundle(version="2", self_test=GRAVE)
    place = next_place(repository, "parts")
    assert (place.active, place.base) == ("1", "1")
    keep_active(place, print)
    kept = read_activation(repository / "parts")
    assert kept is not None and kept.active == "1"
