"""The audit chain in the database."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from takt.core.errors import RecordError
from takt.recording.audit.chain import (
    append,
    entries_of,
    head_of,
    log_entry,
    newest_of,
)
from takt.recording.audit.entry import GENESIS, Change, Head
from takt.recording.audit.verify import check_chain
from takt.recording.database import Database
from takt.recording.record import Record
from tests.unit.service.recording.audit.chains import a_change, appended


def test_entries_are_numbered_and_each_holds_the_one_before(record: Record) -> None:
    first, second = appended(record, 2)

    assert (first.seq, first.previous) == (1, GENESIS)
    assert (second.seq, second.previous) == (2, first.hash)
    assert list(entries_of(record.database)) == [first, second]
    with record.database.reading() as connection:
        assert head_of(connection) == second.head


def test_the_hash_is_that_of_the_documented_form(sqlite_record: Record) -> None:
    (entry,) = appended(sqlite_record, 1)
    content = (
        f'{{"action":"threshold_changed","at_us":{entry.at_us},"client":"10.0.0.7",'
        '"model":"parts","new":"{\\"image\\":0.1}","old":"{\\"image\\":0.5}",'
        f'"previous":"{GENESIS}","reason":"new lamp, 5 \\u00b5m","seq":1,'
        f'"server":"{entry.server}","version":"1","who":"leader"}}'
    )
    assert entry.hash == hashlib.sha256(content.encode()).hexdigest()


def test_an_empty_chain_has_no_head(record: Record) -> None:
    with record.database.reading() as connection:
        assert head_of(connection) is None
    assert list(entries_of(record.database)) == []


def test_texts_that_no_database_takes_are_kept_as_near_as_can_be(record: Record) -> None:
    with record.database.writing() as connection:
        (entry,) = append(connection, a_change(reason="a\0b\ud800", new={"x": "\0"}))

    (kept,) = entries_of(record.database)
    assert kept == entry and kept.reason == "a\N{REPLACEMENT CHARACTER}b?"
    assert json.loads(kept.new or "") == {"x": "\0"}
    assert check_chain([kept]).findings == []


def test_a_failed_transaction_leaves_no_entry(record: Record) -> None:
    with pytest.raises(ValueError), record.database.writing() as connection:
        append(connection, a_change())
        raise ValueError
    appended(record, 1)
    assert check_chain(entries_of(record.database)).count == 1


def test_the_newest_come_first(record: Record) -> None:
    appended(record, 5)
    assert [entry.seq for entry in newest_of(record.database, 2)] == [5, 4]
    assert [entry.seq for entry in newest_of(record.database, 9)] == [5, 4, 3, 2, 1]


def test_a_chain_longer_than_a_chunk_is_read_whole(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.recording.audit.chain.CHUNK", 3)
    for count in (3, 4):
        while len(list(entries_of(sqlite_record.database))) < count:
            appended(sqlite_record, 1)
        read = [entry.seq for entry in entries_of(sqlite_record.database)]
        assert read == list(range(1, count + 1))


def test_threads_of_several_connections_never_fork_the_chain(record: Record) -> None:
    url = record.database._engine.url.render_as_string(hide_password=False)
    record.database.prepare()
    others = [Database(url) for _ in range(4)]
    start = threading.Barrier(len(others))

    def write(database: Database) -> None:
        start.wait()
        for number in range(15):
            with database.writing() as connection:
                append(connection, a_change(number), a_change(number))

    threads = [threading.Thread(target=write, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in others:
        database.close()

    check = check_chain(entries_of(record.database))
    assert (check.count, check.findings) == (120, [])


_WRITER = """
import sys
from takt.recording.audit.chain import append
from takt.recording.audit.entry import Change
from takt.recording.database import Database
database = Database(sys.argv[1])
database.prepare()
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    with database.writing() as connection:
        (entry,) = append(connection, Change("writer", "tested", new={"number": number}))
    print(entry.head, flush=True)
"""


def writer(record: Record, count: int) -> subprocess.Popen[str]:
    """A process that appends once it reads a line, and prints the head of what is stored."""
    url = record.database._engine.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, url, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_two_processes_never_fork_the_chain(record: Record) -> None:
    record.database.prepare()
    processes = [writer(record, 40) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    heads = [Head.parse(line) for process in processes for line in process.communicate()[0].split()]

    check = check_chain(entries_of(record.database), heads)
    assert (check.count, len(heads), check.findings) == (80, 80, [])


def test_a_process_that_is_killed_leaves_a_chain_with_all_that_it_was_told_is_stored(
    record: Record,
) -> None:
    record.database.prepare()
    process = writer(record, 1_000_000)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    heads = [Head.parse(process.stdout.readline()) for _ in range(30)]
    process.kill()
    heads += [Head.parse(line) for line in process.communicate()[0].splitlines() if ":" in line]

    check = check_chain(entries_of(record.database), heads)
    assert check.findings == [] and check.count >= len(heads)
    appended(record, 1)
    assert check_chain(entries_of(record.database)).findings == []


def test_a_stored_entry_is_logged_with_its_head(
    sqlite_record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    (entry,) = appended(sqlite_record, 1)
    with caplog.at_level(logging.INFO, "takt.audit"):
        log_entry(entry)
    event, _, facts = caplog.records[-1].getMessage().partition(" ")
    assert event == "threshold_changed"
    assert json.loads(facts) == {
        "model": "parts",
        "version": "1",
        "old": {"image": 0.5},
        "new": {"image": 0.1},
        "reason": "new lamp, 5 µm",
        "caller": "leader",
        "client": "10.0.0.7",
        "audit_seq": 1,
        "audit_hash": entry.hash,
    }


def test_a_database_that_is_away_is_an_error_of_ours() -> None:
    database = Database("postgresql://takt@127.0.0.1:1/none")
    with pytest.raises(RecordError):
        list(entries_of(database))
    database.close()


@pytest.mark.parametrize("text", ["", "7", "0:" + "ab" * 32, "7:abc", "7:" + "xy" * 32, "-1:ab"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Head.parse(text)


def test_a_head_is_written_as_it_is_read(sqlite_record: Record) -> None:
    (entry,) = appended(sqlite_record, 1)
    assert Head.parse(str(entry.head).upper()) == entry.head
    assert replace(entry, who="x").head == entry.head


def test_a_change_that_is_no_json_is_refused_where_it_is_made() -> None:
    with pytest.raises(TypeError):
        a_change(new={"a": object()})


def test_a_change_is_of_now_unless_it_says_otherwise() -> None:
    assert Change("a", "b", at_us=5).at_us == 5
    assert Change("a", "b").at_us > 1_700_000_000_000_000
