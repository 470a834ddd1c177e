"""The head beside the database: it follows the chain, never leads, and tells of a cut end."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from takt.recording.audit.chain import append, head_of, tell_stored
from takt.recording.audit.entry import Entry, Head
from takt.recording.audit.kept_head import KeptHead
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.audit.trail import AuditTrail
from takt.recording.audit.verify import check_kept
from takt.recording.database import Database
from takt.recording.record import Record
from tests.unit.service.recording.audit.chains import a_change, appended, tamper


def stored(record: Record, count: int = 1) -> tuple[Entry, ...]:
    """Entries that are stored, while nothing has followed yet, as after a kill in between."""
    with record.database.writing(durable=True) as connection:
        return append(connection, *map(a_change, range(count)))


def started(record: Record) -> tuple[CollectorRegistry, AuditTrail]:
    """A server that has looked at the chain."""
    registry = CollectorRegistry()
    trail = AuditTrail(record.database, AuditMetrics(registry), "line3:8000")
    trail.check(stopped=lambda: False)
    return registry, trail


def broken(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("takt_audit_broken")


def test_the_head_that_is_kept_is_the_chains(record: Record) -> None:
    entries = appended(record, 3)
    assert KeptHead(record.database).read() == entries[-1].head
    assert check_kept(record.database).findings == []


@pytest.mark.parametrize("cut", ["DELETE FROM audit", "DELETE FROM audit WHERE seq > 2"])
def test_a_cut_end_is_found_and_a_start_says_so(
    record: Record, cut: str, caplog: pytest.LogCaptureFixture
) -> None:
    appended(record, 3)
    tamper(record, cut)
    (finding,) = check_kept(record.database).findings
    assert "entry 3 is missing" in str(finding)
    registry, _ = started(record)
    assert broken(registry) == 1
    (line,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "not as it was written: entry 3 is missing" in line.message


def test_a_cut_end_that_is_grown_over_stays_found(record: Record) -> None:
    before = appended(record, 3)
    tamper(record, "DELETE FROM audit WHERE seq > 1")
    for _ in range(4):
        assert "cut off, or written anew" in (
            KeptHead(record.database).follow(stored(record)) or ""
        )
    assert KeptHead(record.database).read() == before[-1].head
    (finding,) = check_kept(record.database).findings
    assert "entry 3 is not the one that a head tells of" in str(finding)


def test_a_whole_chain_starts_without_a_word(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    appended(record, 3)
    registry, _ = started(record)
    assert (broken(registry), caplog.records) == (0, [])


def test_a_head_that_lags_is_whole_and_is_taken_along(record: Record) -> None:
    appended(record, 2)
    stored(record, 3)
    assert check_kept(record.database).findings == []
    assert KeptHead(record.database).follow(entries := stored(record)) is None
    assert KeptHead(record.database).read() == entries[-1].head == Head(6, entries[-1].hash)


def test_an_entry_that_is_late_takes_no_head_back(record: Record) -> None:
    first, second = stored(record), stored(record)
    kept = KeptHead(record.database)
    assert (kept.follow(second), kept.follow(first)) == (None, None)
    kept.begin(first[0].head)
    assert (kept.follow(second), kept.follow(first)) == (None, None)
    assert kept.read() == second[-1].head


def test_workers_that_append_together_keep_the_last_head(record: Record) -> None:
    appended(record, 1)

    def work(_: int) -> str | None:
        return KeptHead(record.database).follow(stored(record))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(20))) == {None}
    with record.database.reading() as connection:
        assert KeptHead(record.database).read() == head_of(connection) is not None


def test_a_record_of_before_has_its_head_kept_from_the_first_start_on(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    entries = stored(record, 3)
    kept = KeptHead(record.database)
    assert kept.follow(stored(record)) is None and kept.read() is None
    registry, _ = started(record)
    assert (broken(registry), kept.read() == Head(4, kept.read().hash)) == (0, True)
    assert ["from entry 4 on" in one.message for one in caplog.records] == [True]
    assert entries[0].seq == 1


def test_a_broken_record_of_before_has_none(record: Record) -> None:
    stored(record, 3)
    tamper(record, "UPDATE audit SET who = 'nobody' WHERE seq = 2")
    registry, _ = started(record)
    assert (broken(registry), KeptHead(record.database).read()) == (1, None)


def test_what_a_running_server_appends_to_a_cut_chain_says_so(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    registry, trail = started(record)
    trail.begin()
    trail.tell(a_change())
    trail.close(timeout_s=60)
    assert broken(registry) == 0
    tamper(record, "DELETE FROM audit")
    registry, again = CollectorRegistry(), None
    again = AuditTrail(record.database, AuditMetrics(registry), "line3:8000")
    again.begin()
    again.tell(a_change(2))
    again.close(timeout_s=60)
    assert broken(registry) == 1
    assert "not as it was written" in caplog.text


def test_what_a_person_changes_in_a_running_server_with_a_cut_chain_says_so(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    appended(record, 2)
    tamper(record, "DELETE FROM audit WHERE seq > 1")
    registry = CollectorRegistry()
    record.database.audit_metrics = AuditMetrics(registry)
    tell_stored(record.database, stored(record)[0])
    assert broken(registry) == 1
    assert "not as it was written" in caplog.text
    assert registry.get_sample_value("takt_audit_entries_total", {"outcome": "stored"}) == 1


def test_a_damaged_file_is_no_head_and_stays(record: Record) -> None:
    appended(record, 1)
    (record.folder / "audit-head.json").write_text("{}")
    registry, _ = started(record)
    assert broken(registry) == 1
    assert "is damaged" in (KeptHead(record.database).follow(stored(record)) or "")
    assert (record.folder / "audit-head.json").read_text() == "{}"


def test_a_folder_that_takes_nothing_keeps_no_entry_from_being_stored(
    record: Record, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("takt.recording.audit.kept_head.write_atomically", refuse)
    assert KeptHead(record.database).follow(stored(record)) is None
    assert "cannot be kept" in caplog.text


def test_a_database_without_a_folder_beside_it_keeps_none(sqlite_record: Record) -> None:
    database = Database(str(sqlite_record.database._engine.url))
    with database.writing() as connection:
        entries = append(connection, a_change())
    assert (KeptHead(database).follow(entries), KeptHead(database).read()) == (None, None)
    database.close()
