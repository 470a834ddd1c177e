"""Which versions go, and why the others stay."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest

from takt.core.bundles.bundle import MANIFEST
from takt.core.errors import ConfigurationError, RecordError
from takt.recording.audit.chain import entries_of
from takt.recording.needs import Need
from takt.recording.record import Record
from takt.repository import pruning
from takt.repository.activation import ACTIVE, Activation
from takt.repository.pruning import (
    PlannedVersion,
    plan_pruning,
    remove_leftovers,
    remove_version,
)
from tests.conftest import MakeBundle
from tests.recorded import insert_inspections

VERSIONS = ("1", "2", "9", "10")


@pytest.fixture
def versions(make_bundle: MakeBundle, repository: Path) -> Path:
    """The folder of a model with four versions."""
    for version in VERSIONS:
        make_bundle(version=version)
    return repository / "parts"


def stays(
    repository: Path, needs: dict[str, Need] | None = None, newest: int = 0
) -> dict[str, tuple[str, ...]]:
    return {one.path.name: one.stays for one in plan_pruning(repository, needs or {}, newest)}


def decide(folder: Path, active: str, previous: str | None) -> None:
    (folder / ACTIVE).write_bytes(Activation.now(active, previous, None).json_bytes())


def test_the_highest_version_is_active_unless_somebody_has_decided(
    repository: Path, versions: Path
) -> None:
    assert stays(repository) == {"1": (), "2": (), "9": (), "10": ("it is active",)}
    decide(versions, "2", "9")
    assert stays(repository) == {
        "1": (),
        "2": ("it is active",),
        "9": ("a rollback goes back to it",),
        "10": (),
    }


def test_the_newest_stay(repository: Path, versions: Path) -> None:
    found = stays(repository, newest=2)
    assert (found["2"], found["9"]) == ((), ("it is among the newest 2",))
    assert found["10"] == ("it is active", "it is among the newest 2")
    assert all(stays(repository, newest=9).values())


def test_what_the_record_needs_stays(repository: Path, versions: Path) -> None:
    digest = plan_pruning(repository, {}, 0)[1].digest
    found = stays(repository, {digest: Need(pictures=2, judged=1)})
    assert found["1"] == ()
    assert found["2"] == ("the record needs it: 2 inspections with a kept picture, 1 judged",)


def test_a_version_that_a_link_leads_to_stays(repository: Path, versions: Path) -> None:
    (versions / "golden-sample").symlink_to("2")
    assert stays(repository)["2"] == ("golden-sample leads to it",)


def test_a_version_that_cannot_be_understood_stays(repository: Path, versions: Path) -> None:
    (versions / "2" / MANIFEST).write_text("{}")
    (why,) = stays(repository)["2"]
    assert why.startswith("it cannot be told whether the record needs it")


def test_nothing_goes_where_the_decision_cannot_be_understood(
    repository: Path, versions: Path
) -> None:
    (versions / ACTIVE).write_text("[]")
    with pytest.raises(ConfigurationError):
        stays(repository)


def plan_of(repository: Path, version: str) -> PlannedVersion:
    (found,) = (one for one in plan_pruning(repository, {}, 0) if one.path.name == version)
    return found


def test_a_removed_version_is_in_the_audit_log(
    repository: Path, versions: Path, record: Record
) -> None:
    planned = plan_of(repository, "1")
    assert remove_version(planned, record.database, "ann", "takt prune --keep 3") is None
    assert sorted(path.name for path in versions.iterdir()) == ["10", "2", "9"]
    (entry,) = entries_of(record.database)
    assert (entry.who, entry.action, entry.model) == ("ann", "version_pruned", "parts")
    assert (entry.version, entry.reason) == ("1", "takt prune --keep 3")
    assert json.loads(entry.old or "") == {"digest": planned.digest, "bytes": planned.bytes}
    assert planned.bytes > 1000


def test_what_the_record_has_come_to_need_meanwhile_stays(
    repository: Path, versions: Path, sqlite_record: Record
) -> None:
    planned = plan_of(repository, "1")
    needed = PlannedVersion(planned.path, "0a" * 32, 1, ())
    insert_inspections(sqlite_record, [{"kept": "reject", "picture": True}])
    why = remove_version(needed, sqlite_record.database, "ann", "")
    assert why == "the record needs it: 1 inspections with a kept picture, 0 judged"
    assert planned.path.is_dir()
    assert list(entries_of(sqlite_record.database)) == []


@pytest.mark.parametrize(
    ("active", "previous", "why"),
    [("1", "10", "it is active"), ("10", "1", "a rollback goes back to it")],
)
def test_what_was_activated_meanwhile_stays(
    repository: Path,
    versions: Path,
    sqlite_record: Record,
    active: str,
    previous: str,
    why: str,
) -> None:
    sqlite_record.database.prepare()
    planned = plan_of(repository, "1")
    assert not planned.stays
    decide(versions, active, previous)
    assert remove_version(planned, sqlite_record.database, "ann", "") == why
    assert planned.path.is_dir()
    assert list(entries_of(sqlite_record.database)) == []


def test_a_version_stays_where_its_removal_cannot_be_noted(
    repository: Path, versions: Path, sqlite_record: Record
) -> None:
    planned = plan_of(repository, "1")
    with (
        patch.object(pruning, "append", side_effect=RecordError("the database is away")),
        pytest.raises(RecordError),
    ):
        remove_version(planned, sqlite_record.database, "ann", "")
    assert sorted(path.name for path in versions.iterdir()) == sorted(VERSIONS)


def test_a_folder_that_cannot_be_changed_is_said(
    repository: Path, versions: Path, sqlite_record: Record
) -> None:
    planned = plan_of(repository, "1")
    with (
        patch.object(pruning.os, "rename", side_effect=OSError(30, "Read-only file system")),
        pytest.raises(ConfigurationError, match="cannot be removed: Read-only file system"),
    ):
        remove_version(planned, sqlite_record.database, "ann", "")
    assert planned.path.is_dir()
    assert list(entries_of(sqlite_record.database)) == []


def test_what_an_interrupted_removal_has_left_goes(
    repository: Path, versions: Path, sqlite_record: Record
) -> None:
    planned = plan_of(repository, "1")
    with (
        patch.object(pruning.shutil, "rmtree", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        remove_version(planned, sqlite_record.database, "ann", "")
    assert len(list(versions.iterdir())) == len(VERSIONS)
    assert "1" not in stays(repository)
    remove_leftovers(repository)
    assert sorted(path.name for path in versions.iterdir()) == ["10", "2", "9"]
    assert len(list(entries_of(sqlite_record.database))) == 1
