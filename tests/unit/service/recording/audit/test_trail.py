"""What a server appends by, also while its database is locked or away."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from takt.recording.audit.chain import entries_of
from takt.recording.audit.entry import Change, Entry
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.audit.trail import AuditTrail
from takt.recording.audit.verify import check_chain
from takt.recording.database import Database
from takt.recording.record import Record
from tests.unit.service.recording.audit.chains import a_change


class Trails:
    """Trails over one database, and what they tell."""

    def __init__(self, record: Record, caplog: pytest.LogCaptureFixture) -> None:
        self.database = record.database
        self.registry = CollectorRegistry()
        self._caplog = caplog
        caplog.set_level(logging.INFO)

    @contextmanager
    def begun(self, **options: float) -> Iterator[AuditTrail]:
        trail = AuditTrail(
            self.database,
            AuditMetrics(self.registry),
            "line3:8000",
            **{"wait_s": 60.0, "retry_s": 0.01} | options,  # type: ignore[arg-type]
        )
        trail.begin()
        try:
            yield trail
        finally:
            trail.close(60)

    @property
    def entries(self) -> list[Entry]:
        check = check_chain(found := list(entries_of(self.database)))
        assert check.findings == []
        return found

    @property
    def lines(self) -> list[tuple[str, dict[str, object]]]:
        """Name and facts of each line of the audit log."""
        return [
            (one.takt_event, one.takt_facts)  # type: ignore[attr-defined]
            for one in self._caplog.records
            if one.name == "takt.audit"
        ]

    def figure(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def trails(sqlite_record: Record, caplog: pytest.LogCaptureFixture) -> Trails:
    return Trails(sqlite_record, caplog)


@contextmanager
def locked(record: Record) -> Iterator[Callable[[], None]]:
    """The database, locked by another program until the function is called."""
    record.database.prepare()
    file = record.pictures.folder.parent / "record.sqlite"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield lambda: other.execute("ROLLBACK") and None
    finally:
        other.close()


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    deadline = threading.Event()
    for _ in range(6000):
        if condition():
            return
        deadline.wait(0.01)
    pytest.fail("it did not happen within a minute")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for locks of others that end soon."""
    monkeypatch.setattr("takt.recording.database._BUSY_S", 0.05)


async def test_a_noted_change_is_stored_and_logged_with_its_head(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    trails = Trails(record, caplog)
    with trails.begun() as trail:
        await trail.note(a_change(), {"caller": "leader", "request_id": "7"})
        (entry,) = trails.entries
        head = {"audit_seq": 1, "audit_hash": entry.hash}
        assert trails.lines == [
            ("threshold_changed", {"caller": "leader", "request_id": "7"} | head)
        ]
    assert entry.server == "line3:8000"
    assert trails.figure("takt_audit_entries_total", outcome="stored") == 1
    assert trails.figure("takt_audit_entries_total", outcome="lost") == 0


async def test_without_a_database_a_change_is_logged_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    trail = AuditTrail(None, AuditMetrics(CollectorRegistry()))
    trail.begin()
    await trail.note(a_change(), {"caller": "leader"})
    trail.tell(a_change())
    trail.find(lambda connection: [a_change()])
    trail.close(0)
    (line,) = [one for one in caplog.records if one.name == "takt.audit"]
    assert json.loads(line.getMessage().partition(" ")[2]) == {"caller": "leader"}


def test_what_is_told_and_found_is_stored_in_order(trails: Trails) -> None:
    def find(connection: Connection) -> list[Change]:
        return [a_change(2), a_change(3)]

    with trails.begun() as trail:
        trail.tell(a_change(1))
        trail.find(find)
        trail.tell(a_change(4))
    assert [json.loads(one.new or "") for one in trails.entries] == [
        {"image": number / 10} for number in (1, 2, 3, 4)
    ]
    assert [facts["audit_seq"] for _, facts in trails.lines] == [1, 2, 3, 4]


async def test_a_change_holds_and_is_answered_while_the_database_is_locked(
    trails: Trails, sqlite_record: Record
) -> None:
    with locked(sqlite_record) as unlock, trails.begun(wait_s=0.01) as trail:
        await trail.note(a_change(1))
        await trail.note(a_change(2))
        assert trails.figure("takt_audit_entries_waiting") == 2
        assert [facts["audit_seq"] for _, facts in trails.lines] == [None, None]
        assert trails.lines[0][1]["new"] == {"image": 0.1}

        unlock()
        until(lambda: trails.figure("takt_audit_entries_waiting") == 0)

    assert [json.loads(one.new or "") for one in trails.entries] == [{"image": 0.1}, {"image": 0.2}]
    late = [line for line in trails.lines if line[0] == "entry_stored"]
    assert [facts["audit_hash"] for _, facts in late] == [one.hash for one in trails.entries]


async def test_a_database_that_is_away_holds_up_nobody_and_is_told_once(
    trails: Trails, sqlite_record: Record, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    trails.database = Database(str(sqlite_record.database._engine.url))
    with locked(sqlite_record) as unlock, trails.begun() as trail:
        await trail.note(a_change(1))
        await trail.note(a_change(2))
        unlock()
        until(lambda: trails.figure("takt_audit_entries_total", outcome="stored") == 2)
        until(lambda: "stored again" in caplog.text)
    errors = [one for one in caplog.records if one.levelname == "ERROR"]
    assert ["wait to be stored" in one.getMessage() for one in errors] == [True]
    trails.database.close()


async def test_a_caller_who_hangs_up_is_logged_and_stored_all_the_same(
    trails: Trails, sqlite_record: Record
) -> None:
    with locked(sqlite_record) as unlock, trails.begun() as trail:
        task = asyncio.create_task(trail.note(a_change()))
        while trails.figure("takt_audit_entries_waiting") == 0:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [name for name, _ in trails.lines] == ["threshold_changed"]
        unlock()
    assert len(trails.entries) == 1


def test_more_than_may_wait_are_lost_and_the_chain_says_how_many(
    trails: Trails, sqlite_record: Record
) -> None:
    with locked(sqlite_record) as unlock, trails.begun(most_waiting=2) as trail:
        for number in range(5):
            trail.tell(a_change(number))
        assert trails.figure("takt_audit_entries_waiting") == 2
        lost = [facts for _, facts in trails.lines if facts["new"] == {"image": 0.4}]
        assert [facts["audit_seq"] for facts in lost] == [None]
        unlock()
        until(lambda: trails.figure("takt_audit_entries_total", outcome="stored") == 3)
    assert [one.action for one in trails.entries] == [*["threshold_changed"] * 2, "entries_lost"]
    assert trails.entries[-1].new == '{"count":3}'
    assert trails.figure("takt_audit_entries_total", outcome="lost") == 3


def test_what_can_never_be_stored_does_not_keep_the_rest_from_it(
    trails: Trails, sqlite_record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    with locked(sqlite_record) as unlock, trails.begun() as trail:
        trail.tell(a_change(1))
        trail.find(lambda connection: [a_change(int("none"))])
        trail.tell(a_change(2))
        unlock()
        until(lambda: trails.figure("takt_audit_entries_total", outcome="stored") == 3)
    assert [one.action for one in trails.entries].count("threshold_changed") == 2
    assert trails.entries[-1].new == '{"count":1}'
    assert "cannot be stored" in caplog.text


def test_what_is_left_at_the_end_is_told(
    trails: Trails, sqlite_record: Record, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    trails.database = Database(str(sqlite_record.database._engine.url))
    with locked(sqlite_record), trails.begun() as trail:
        trail.tell(a_change())
    assert "1 entries of the audit log were not stored" in caplog.text
    assert [facts["audit_seq"] for _, facts in trails.lines] == [None]
    trails.database.close()


def test_many_that_wait_are_stored_in_order_when_the_database_is_back(
    trails: Trails, sqlite_record: Record
) -> None:
    with locked(sqlite_record) as unlock, trails.begun() as trail:
        for number in range(250):
            trail.tell(a_change(number))
        unlock()
    assert [one.new for one in trails.entries] == [
        json.dumps({"image": number / 10}, separators=(",", ":")) for number in range(250)
    ]


def test_postgresql_that_stops_and_starts_costs_no_entry(
    postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(postgres.new_url())
    trails = Trails(Record(database, None), caplog)  # type: ignore[arg-type]
    with trails.begun() as trail:
        trail.tell(a_change(1))
        until(lambda: trails.figure("takt_audit_entries_total", outcome="stored") == 1)
        postgres.stop()
        try:
            asyncio.run(trail.note(a_change(2)))
            assert trails.lines[-1][1]["audit_seq"] is None
        finally:
            postgres.start()
        until(lambda: trails.figure("takt_audit_entries_total", outcome="stored") == 2)
    assert len(trails.entries) == 2
    database.close()
