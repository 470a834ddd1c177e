"""Tampering with the audit chain is found, in both databases."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest
from sqlalchemy import insert

from takt.recording.audit.chain import entries_of
from takt.recording.audit.entry import GENESIS, Entry, Head, entry_of
from takt.recording.audit.verify import MOST_FINDINGS, check_chain
from takt.recording.record import Record
from takt.recording.tables import audit
from tests.unit.service.recording.audit.chains import a_change, appended, tamper


def found(record: Record, *heads: Head) -> list[tuple[int, str]]:
    """Number and first two words of each finding."""
    findings = check_chain(entries_of(record.database), heads).findings
    return [(one.seq, " ".join(one.text.split()[:2])) for one in findings]


def test_an_untouched_chain_has_no_findings(record: Record) -> None:
    entries = appended(record, 4)
    check = check_chain(entries_of(record.database), [one.head for one in entries])
    assert (check.count, check.head, check.findings) == (4, entries[-1].head, [])


def test_a_changed_entry_is_found_whichever_column_it_is(record: Record) -> None:
    columns = [column.name for column in audit.columns if column.name not in ("seq", "hash")]
    appended(record, len(columns))
    for seq, column in enumerate(columns, start=1):
        value = "7" if column == "at_us" else "'x'"
        tamper(record, f"UPDATE audit SET {column} = {value} WHERE seq = {seq}")
    changed = [seq for seq, text in found(record) if text == "was changed:"]
    assert changed == list(range(1, len(columns) + 1))


def test_text_that_is_emptied_is_found(record: Record) -> None:
    appended(record, 3)
    tamper(record, "UPDATE audit SET reason = NULL WHERE seq = 2")
    assert found(record) == [(2, "was changed:")]


def test_a_changed_entry_with_a_right_hash_breaks_the_chain_behind_it(record: Record) -> None:
    entries = appended(record, 4)
    anew = entry_of(a_change(9), 2, entries[0].hash, entries[0].server)
    tamper(record, f"UPDATE audit SET new = '{anew.new}', hash = '{anew.hash}' WHERE seq = 2")
    # The time is another one as well.
    tamper(record, f"UPDATE audit SET at_us = {anew.at_us} WHERE seq = 2")
    assert found(record) == [(3, "does not")]


def test_a_removed_entry_is_found(record: Record) -> None:
    appended(record, 5)
    tamper(record, "DELETE FROM audit WHERE seq = 3")
    assert found(record) == [(3, "was removed:")]


def test_removed_entries_are_named_though_the_rest_is_numbered_anew(record: Record) -> None:
    appended(record, 4)
    tamper(
        record,
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 4",
    )
    assert (2, "does not") in found(record)


def test_the_first_entry_cannot_go(record: Record) -> None:
    appended(record, 3)
    tamper(record, "DELETE FROM audit WHERE seq = 1")
    assert found(record) == [(1, "was removed:")]


def test_swapped_entries_are_found(record: Record) -> None:
    appended(record, 4)
    tamper(
        record,
        "UPDATE audit SET seq = 99 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 99",
    )
    seqs = {seq for seq, _ in found(record)}
    assert {2, 3} <= seqs


def test_an_entry_that_was_put_in_is_found(record: Record) -> None:
    entries = appended(record, 4)
    tamper(
        record,
        "UPDATE audit SET seq = 5 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 3",
    )
    forged = entry_of(a_change(9), 3, entries[1].hash, entries[1].server)
    with record.database.writing() as connection:
        connection.execute(insert(audit), [asdict(forged)])
    assert (4, "does not") in found(record)


@pytest.mark.parametrize("seq", [0, -3])
def test_an_entry_before_the_first_is_found(record: Record, seq: int) -> None:
    appended(record, 2)
    forged = entry_of(a_change(9), seq, GENESIS, "line3")
    with record.database.writing() as connection:
        connection.execute(insert(audit), [asdict(forged)])
    assert found(record) == [(seq, "was put")]


def test_a_cut_tail_shows_by_a_head_alone(record: Record) -> None:
    entries = appended(record, 4)
    tamper(record, "DELETE FROM audit WHERE seq > 2")
    assert found(record) == []
    assert found(record, entries[3].head) == [(4, "is missing,")]
    assert found(record, entries[1].head) == []


def test_an_emptied_log_shows_by_a_head(record: Record) -> None:
    entries = appended(record, 2)
    tamper(record, "DELETE FROM audit")
    assert found(record, entries[0].head) == [(1, "is missing,")]


def test_a_chain_that_was_written_anew_shows_by_a_head_alone(record: Record) -> None:
    entries = appended(record, 3)
    anew, previous = [], GENESIS
    for entry in entries:
        made = replace(entry, reason="another", previous=previous)
        made = replace(made, hash=made.right_hash)
        anew.append(made)
        previous = made.hash
    with record.database.writing() as connection:
        connection.execute(audit.delete())
        connection.execute(insert(audit), [asdict(one) for one in anew])
    assert found(record) == []
    assert found(record, entries[2].head) == [(3, "is not")]


def test_no_more_findings_are_told_than_one_can_read(sqlite_record: Record) -> None:
    appended(sqlite_record, 30)
    tamper(sqlite_record, "UPDATE audit SET who = 'nobody'")
    assert len(found(sqlite_record)) == MOST_FINDINGS


def endless(count: int) -> Iterator[Entry]:
    previous = GENESIS
    for seq in range(1, count + 1):
        entry = entry_of(a_change(), seq, previous, "line3")
        previous = entry.hash
        yield entry


def test_memory_does_not_grow_with_the_chain() -> None:
    tracemalloc.start()
    assert check_chain(endless(2_000)).count == 2_000
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Kept, so many would take more than 2 MB.
    assert peak_bytes < 500_000
