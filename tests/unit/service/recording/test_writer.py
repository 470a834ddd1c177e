"""The recorder: what it stores, and what it does where the disk or the database does not."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, event, select

from takt.core.domain import Box, Labels, RawPicture, Region, Source, Timings, Verdict
from takt.core.errors import RecordError
from takt.observing.records import AnswerRecord, Asked, PartRecord
from takt.recording.database import HEAD
from takt.recording.facts import Row
from takt.recording.keeping import KeepingRule
from takt.recording.metrics import RecordMetrics
from takt.recording.multiview.parts import PartFilters, parts_of
from takt.recording.pictures import PictureKey, PictureStore
from takt.recording.record import Record, open_record
from takt.recording.retention import RetentionRule
from takt.recording.tables import inspections, sources
from takt.recording.writer import Backlog, Recorder
from tests.recorded import only_read

JPEG = b"\xff\xd8 a picture"
SOURCE = Source("0a", "fake", "", "fake 1", "a CPU")
AT_S = 1_772_366_400.0


def answer(score: float = 0.2, request_id: str = "r1", at_s: float = AT_S) -> AnswerRecord:
    region = Region(Box(1, 2, 3, 4), 12, 0.9)
    verdict = Verdict(
        score > 0.5, score, 0.5, 99.0, (region,) if score > 0.5 else (), pixel_threshold=0.6
    )
    timings = Timings(1, 2, 3, 4, 5, 6, 21)
    return AnswerRecord(
        *("nut", "1", verdict, 64, 48, timings, "rest", request_id, None, at_s),
        warnings=("small_picture",),
        source=SOURCE,
    )


class Kept:
    """A recorder whose turns the test takes itself."""

    def __init__(
        self,
        record: Record,
        keep: str = "rejects",
        backlog: Backlog | None = None,
        retain: RetentionRule | None = None,
        durable: bool = False,
    ):
        self.registry = CollectorRegistry()
        self.record = record
        self.recorder = Recorder(
            record,
            KeepingRule.read(keep),
            retain or RetentionRule(),
            RecordMetrics(self.registry),
            backlog,
            clock=lambda: AT_S,
            durable=durable,
        )

    def count(self, name: str, outcome: str) -> float:
        labels = {"outcome": outcome}
        return self.registry.get_sample_value(f"takt_record_{name}_total", labels) or 0.0

    def rows(self) -> list:
        with self.record.database.reading() as connection:
            return list(connection.execute(select(inspections).order_by(inspections.c.id)))

    def files(self) -> list[str]:
        return [path for path, _ in self.record.pictures.files()]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder that waits for no lock; it has to be there before its record is opened."""
    monkeypatch.setattr("takt.recording.database._BUSY_S", 0.01)
    monkeypatch.setattr("takt.recording.writer._AGAIN_S", 0.0)


@pytest.fixture
def kept(sqlite_record: Record) -> Iterator[Callable[..., Kept]]:
    yield lambda **wishes: Kept(sqlite_record, **wishes)


def a_part(number: int) -> PartRecord:
    times = (int(AT_S * 1e6), int(AT_S * 1e6), "views")
    return PartRecord(
        *(number, "A", "bracket", 1, *times, "good"),
        *(None, None, None, None, None, []),
    )


def parts_in(record: Record) -> list[int]:
    with record.database.reading() as connection:
        return sorted(one.number for one in parts_of(connection, PartFilters(), 50))


def test_an_answer_is_stored_with_all_that_was_known(record: Record) -> None:
    kept = Kept(record)
    labels = Labels("press 3", "A-17", "L1", (("shift", "2"),))
    kept.recorder.note(answer(0.7), Asked(JPEG, "line3", labels))
    kept.recorder.turn()
    (row,) = kept.rows()
    assert (row.model, row.version, row.request_id, row.protocol) == ("nut", "1", "r1", "rest")
    assert (row.anomalous, row.score, row.threshold, row.pixel_threshold) == (True, 0.7, 0.5, 0.6)
    assert row.regions == '[{"box":[1,2,3,4],"area":12,"peak":0.9}]'
    assert (row.station, row.part, row.lot, row.tags) == ("press 3", "A-17", "L1", '{"shift":"2"}')
    assert (row.caller, row.percentile, row.warnings) == ("line3", 99.0, "small_picture")
    assert (row.at_us, row.total_ms, row.width) == (int(AT_S * 1e6), 21, 64)
    assert row.sha256 == hashlib.sha256(JPEG).digest()
    assert (row.input_bytes, row.input_format) == (len(JPEG), "jpeg")
    with record.database.reading() as connection:
        (source,) = connection.execute(select(sources)).all()
    assert source.id == row.source_id
    assert (source.digest, source.runtime, source.processor) == ("0a", "fake 1", "a CPU")


def test_answers_of_one_source_share_its_row(record: Record) -> None:
    for kept in (Kept(record), Kept(record)):
        for _ in range(2):
            kept.recorder.note(answer(), Asked(JPEG))
            kept.recorder.turn()
    assert len(kept.rows()) == 4
    with record.database.reading() as connection:
        assert len(connection.execute(select(sources)).all()) == 1


def test_the_picture_of_a_reject_is_kept_and_that_of_a_pass_is_not(kept) -> None:
    recording = kept()
    recording.recorder.note(answer(0.7), Asked(JPEG))
    recording.recorder.note(answer(0.2), Asked(b"\x89PNG another"))
    recording.recorder.turn()
    digest = hashlib.sha256(JPEG).hexdigest()
    assert recording.files() == [f"2026/03/01/{digest}.jpg"]
    assert [(row.kept, row.picture) for row in recording.rows()] == [
        ("reject", True),
        (None, False),
    ]
    assert recording.count("pictures", "kept") == 1


def test_a_raw_frame_is_kept_as_a_png_and_known_by_its_pixels(kept) -> None:
    recording = kept()
    frame = RawPicture(memoryview(bytes(range(12))), 4, 3, "mono8")
    recording.recorder.note(answer(0.7), Asked(frame))
    recording.recorder.turn()
    (row,) = recording.rows()
    assert row.input_format == "mono8"
    assert row.sha256 == hashlib.sha256(bytes(range(12))).digest()
    assert recording.files()[0].endswith(".mono8.png")


def test_a_database_that_is_locked_makes_rows_wait_and_loses_none(
    impatient, kept, sqlite_record: Record
) -> None:
    recording = kept()
    recording.recorder.start()
    recording.recorder.close(5.0)
    other = sqlite3.connect(
        sqlite_record.pictures.folder.parent / "record.sqlite", isolation_level=None
    )
    other.execute("BEGIN IMMEDIATE")
    late = kept()
    late.recorder.note(answer(0.7), Asked(JPEG))
    late.recorder.turn()
    assert (late.recorder.waiting, late.count("inspections", "stored")) == (1, 0)
    # Its picture waits on the disk, not in memory.
    assert len(late.files()) == 1
    other.execute("ROLLBACK")
    other.close()
    late.recorder.turn()
    assert (late.recorder.waiting, late.count("inspections", "stored")) == (0, 1)


def test_a_part_waits_for_a_database_that_is_locked_and_one_that_it_refuses_spoils_no_other(
    impatient, kept, sqlite_record: Record, caplog
) -> None:
    sqlite_record.database.prepare()
    file = sqlite_record.pictures.folder.parent / "record.sqlite"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    late = kept()
    for number in (1, 1, 2):
        late.recorder.note_part(a_part(number))
    late.recorder.turn()
    assert parts_in(sqlite_record) == []
    other.execute("ROLLBACK")
    other.close()
    late.recorder.turn()
    assert parts_in(sqlite_record) == [1, 2]
    assert "part 'A' is missing from the record" in caplog.text
    assert late.count("inspections", "lost") == 1


def test_a_database_that_goes_away_in_the_midst_of_refusing_a_row_gets_none_twice(
    impatient, kept, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = kept()
    for name in ("a", "b", "\ud800", "c"):
        recording.recorder.note(answer(request_id=name), Asked(JPEG))
    insert, calls = recording.recorder._insert_rows, 0

    def goes_away(connection: Connection, rows: Sequence[Row]) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RecordError("the record cannot be used now: it has gone")
        insert(connection, rows)

    monkeypatch.setattr(recording.recorder, "_insert_rows", goes_away)
    recording.recorder.turn()
    recording.recorder.turn()
    assert [row.request_id for row in recording.rows()] == ["a", "b", "c"]
    assert recording.count("inspections", "stored") == 3
    assert recording.count("inspections", "lost") == 1


def test_a_full_disk_costs_pictures_and_no_rows(kept, sqlite_record: Record) -> None:
    sqlite_record.database.prepare()
    sqlite_record.pictures.folder.write_bytes(b"no folder can be made here")
    recording = kept()
    recording.recorder.note(answer(0.7), Asked(JPEG))
    recording.recorder.turn()
    (row,) = recording.rows()
    assert (row.kept, row.picture) == ("reject", False)
    assert recording.count("pictures", "lost") == 1
    sqlite_record.pictures.folder.unlink()
    recording.recorder.note(answer(0.7), Asked(JPEG))
    recording.recorder.turn()
    assert recording.rows()[1].picture


def test_more_than_may_wait_is_counted_as_lost(kept) -> None:
    recording = kept(backlog=Backlog(rows=3))
    for number in range(5):
        recording.recorder.note(answer(request_id=f"r{number}"), Asked(JPEG))
    recording.recorder.turn()
    assert [row.request_id for row in recording.rows()] == ["r0", "r1", "r2"]
    assert recording.count("inspections", "lost") == 2


def test_pictures_that_are_too_many_at_once_are_lost_but_not_their_rows(kept) -> None:
    recording = kept(backlog=Backlog(bytes=len(JPEG)))
    for number in range(2):
        recording.recorder.note(answer(0.7, f"r{number}"), Asked(JPEG))
    recording.recorder.turn()
    assert [(row.picture, row.sha256 is not None) for row in recording.rows()] == [
        (True, True),
        (False, False),
    ]
    assert recording.count("pictures", "lost") == 1
    # What was held is given back.
    recording.recorder.note(answer(0.7, "r2"), Asked(JPEG))
    recording.recorder.turn()
    assert recording.rows()[2].picture


@pytest.mark.parametrize("request_id", ["a\0b", "\ud800"])
def test_a_row_that_the_database_refuses_costs_itself_alone(
    record: Record, request_id: str
) -> None:
    kept = Kept(record)
    for name in ("before", request_id, "after"):
        kept.recorder.note(answer(request_id=name), Asked(JPEG))
    kept.recorder.turn()
    found = [row.request_id for row in kept.rows()]
    assert [found[0], found[-1]] == ["before", "after"]
    assert kept.count("inspections", "stored") + kept.count("inspections", "lost") == 3
    assert kept.recorder.waiting == 0


def test_closing_stores_what_waits(kept) -> None:
    recording = kept()
    recording.recorder.start()
    recording.recorder.note(answer(), Asked(JPEG))
    recording.recorder.close(timeout_s=10.0)
    assert len(recording.rows()) == 1


def test_a_database_that_is_read_and_takes_nothing_is_not_there_though_nothing_waits(
    record: Record,
) -> None:
    only_read(record)
    recording = Kept(record)
    recording.recorder._metrics.begin()
    recording.recorder.turn()
    assert recording.registry.get_sample_value("takt_record_up") == 0


def test_what_cannot_be_stored_until_the_end_is_counted_as_lost(
    tmp_path: Path, kept, sqlite_record: Record
) -> None:
    (sqlite_record.pictures.folder.parent).mkdir()
    (sqlite_record.pictures.folder.parent / "record.sqlite").mkdir()
    recording = kept()
    recording.recorder.start()
    recording.recorder.note(answer(), Asked(JPEG))
    recording.recorder.close(timeout_s=10.0)
    assert recording.count("inspections", "lost") == 1
    assert recording.registry.get_sample_value("takt_record_up") == 0


def whys(recording: Kept) -> list[tuple[str | None, bool]]:
    return [(row.kept, row.picture) for row in recording.rows()]


def test_the_picture_of_a_pass_is_there_for_a_while(kept) -> None:
    recording = kept(keep="rejects,recent")
    for score, picture in ((0.7, JPEG), (0.2, b"\x89PNG another")):
        recording.recorder.note(answer(score), Asked(picture))
    recording.recorder.turn()
    assert whys(recording) == [("reject", True), ("recent", True)]
    assert recording.count("pictures", "kept") == 2


def test_raw_pixels_that_go_again_soon_come_back_level_by_level(kept) -> None:
    recording = kept(keep="recent")
    frame = RawPicture(bytes(range(12)), 4, 3, "mono8")
    recording.recorder.note(answer(), Asked(frame))
    recording.recorder.turn()
    (row,) = recording.rows()
    key = PictureKey(row.at_us, row.sha256.hex(), row.input_format)
    assert recording.record.pictures.read(key) == frame


def test_recent_pictures_give_way_while_much_waits_and_are_counted(kept) -> None:
    recording = kept(keep="rejects,recent", backlog=Backlog(bytes=4 * len(JPEG)))
    for score in (0.2, 0.2, 0.2, 0.7):
        recording.recorder.note(answer(score), Asked(JPEG))
    recording.recorder.turn()
    # Half of what may wait is left to those that were chosen.
    assert whys(recording) == [("recent", True)] * 2 + [(None, False), ("reject", True)]
    assert all(row.sha256 is not None for row in recording.rows())
    assert (recording.count("pictures", "skipped"), recording.count("pictures", "lost")) == (1, 0)


def test_a_recent_picture_that_nobody_could_hold_is_skipped_and_not_lost(kept) -> None:
    recording = kept(keep="recent")
    recording.recorder.note(answer(), Asked(None))
    recording.recorder.turn()
    assert whys(recording) == [(None, False)]
    assert (recording.count("pictures", "skipped"), recording.count("pictures", "lost")) == (1, 0)


def test_a_recent_picture_that_the_disk_does_not_take_was_never_kept(
    kept, sqlite_record: Record
) -> None:
    sqlite_record.database.prepare()
    sqlite_record.pictures.folder.write_bytes(b"no folder can be made here")
    recording = kept(keep="recent")
    recording.recorder.note(answer(), Asked(JPEG))
    recording.recorder.turn()
    assert whys(recording) == [(None, False)]


def test_a_disk_that_is_nearly_full_takes_no_recent_pictures(
    kept, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PictureStore, "free_bytes", lambda store: 999_999_999)
    recording = kept(keep="rejects,recent")
    recording.recorder.turn()
    for score in (0.2, 0.7):
        recording.recorder.note(answer(score), Asked(JPEG))
    recording.recorder.turn()
    assert whys(recording) == [(None, False), ("reject", True)]
    assert recording.count("pictures", "skipped") == 1


def test_no_recent_pictures_pile_up_while_the_database_is_away(
    impatient, kept, sqlite_record: Record
) -> None:
    sqlite_record.database.prepare()
    other = sqlite3.connect(
        sqlite_record.pictures.folder.parent / "record.sqlite", isolation_level=None
    )
    other.execute("BEGIN IMMEDIATE")
    recording = kept(keep="rejects,recent")
    for score in (0.2, 0.2, 0.7):
        recording.recorder.note(answer(score), Asked(JPEG + bytes([int(10 * score)])))
        recording.recorder.turn()
        recording.recorder.turn()
    assert len(recording.files()) == 2
    other.execute("ROLLBACK")
    other.close()
    recording.recorder.turn()
    assert whys(recording) == [("recent", True), (None, False), ("reject", True)]


def test_recent_pictures_keep_their_bound_between_two_sweeps(kept) -> None:
    sizes = 10 * (len(JPEG) + 3)
    recording = kept(keep="recent", retain=RetentionRule(recent_bytes=sizes))
    for number in range(100):
        at_s = AT_S + number
        recording.recorder.note(answer(at_s=at_s), Asked(JPEG + b"%03d" % number))
        recording.recorder.turn()
        assert len(recording.files()) <= 10
    # The clock of this recorder stands still, so that a minute never passes.
    assert [row.picture for row in recording.rows()][-9:] == [True] * 9
    assert recording.count("pictures", "removed") >= 90


@pytest.mark.parametrize(
    ("keep", "retain"),
    [("rejects", RetentionRule()), ("rejects,recent", RetentionRule.read("recent_gb=0"))],
)
def test_what_was_kept_as_recent_goes_once_that_is_turned_off(
    record: Record, keep: str, retain: RetentionRule
) -> None:
    before = Kept(record, keep="rejects,recent")
    for score in (0.2, 0.7):
        before.recorder.note(answer(score), Asked(JPEG + bytes([int(10 * score)])))
    before.recorder.turn()
    assert len(before.files()) == 2
    after = Kept(record, keep=keep, retain=retain)
    after.recorder.turn()
    assert whys(after) == [(None, False), ("reject", True)]
    after.recorder.note(answer(0.2), Asked(JPEG))
    after.recorder.turn()
    assert len(after.files()) == 1


def test_rows_are_stored_however_fast_new_ones_come(kept, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = kept(keep="recent")
    write = PictureStore.write
    noted = iter(range(20))

    def and_another(*given: Any, **named: Any) -> int:
        if next(noted, None) is not None:
            recording.recorder.note(answer(), Asked(JPEG))
        return write(*given, **named)

    monkeypatch.setattr(PictureStore, "write", and_another)
    recording.recorder.note(answer(), Asked(JPEG))
    recording.recorder.turn()
    assert len(recording.rows()) == 1


def newer(record: Record) -> None:
    """A later release has brought the tables up to date, and another process is to read them."""
    with record.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")


@pytest.fixture
def newer_record(sqlite_record: Record) -> Iterator[Record]:
    newer(sqlite_record)
    opened = open_record(sqlite_record.folder, "sqlite")
    assert opened is not None
    yield opened
    opened.close()


def test_a_record_of_a_newer_release_has_nothing_recorded_and_no_picture_kept(
    newer_record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept(newer_record)
    kept.recorder._metrics.begin()
    for _ in range(3):
        kept.recorder.note(answer(0.9), Asked(picture=JPEG))
        kept.recorder._try_at_s = 0.0
        kept.recorder.turn()
    assert kept.files() == [] and kept.recorder.waiting == 0
    assert kept.count("inspections", "lost") == 3
    assert kept.registry.get_sample_value("takt_record_newer") == 1
    assert kept.registry.get_sample_value("takt_record_up") == 0
    (line,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert "by a newer release" in line and "nothing is recorded" in line


def test_a_record_that_is_of_this_release_again_is_recorded_into(
    newer_record: Record, sqlite_record: Record
) -> None:
    kept = Kept(newer_record)
    kept.recorder._metrics.begin()
    kept.recorder.turn()
    with sqlite_record.database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{HEAD}'")
    kept.recorder._try_at_s = 0.0
    kept.recorder.turn()
    kept.recorder.note(answer(0.9), Asked(picture=JPEG))
    kept.recorder.turn()
    assert len(kept.rows()) == 1 and len(kept.files()) == 1
    assert kept.registry.get_sample_value("takt_record_newer") == 0
    assert kept.registry.get_sample_value("takt_record_up") == 1


async def committing(recording: Kept, *names: str) -> list[asyncio.Task[None]]:
    """Answers that wait for the record, each of a request of its own."""
    tasks = [
        asyncio.create_task(
            recording.recorder.commit([(answer(request_id=name), Asked(JPEG))], 60.0)
        )
        for name in names
    ]
    await asyncio.sleep(0)
    assert recording.recorder.waiting == len(names)
    return tasks


async def test_answers_that_wait_together_share_one_commit(record: Record) -> None:
    recording = Kept(record, durable=True)
    recording.recorder.turn()
    commits: list[object] = []
    event.listen(record.database._engine, "commit", commits.append)
    waiting = await committing(recording, *(f"r{number}" for number in range(20)))
    recording.recorder.turn()
    await asyncio.gather(*waiting)
    # Another of the sweep's, which only reads.
    written = [one for one in commits if one.get_execution_options().get("takt_durable")]
    assert (len(recording.rows()), len(written)) == (20, 1)


async def test_an_answer_that_nobody_waits_for_any_more_is_not_stored(record: Record) -> None:
    recording = Kept(record, durable=True)
    gone, there = await committing(recording, "gone", "there")
    gone.cancel()
    await asyncio.wait([gone])
    recording.recorder.turn()
    await there
    assert [row.request_id for row in recording.rows()] == ["there"]


async def test_more_than_may_wait_is_told_and_not_counted_as_lost(record: Record) -> None:
    recording = Kept(record, durable=True, backlog=Backlog(rows=2))
    waiting = await committing(recording, "a", "b")
    with pytest.raises(RecordError, match="2 others wait for the record, as many as may"):
        await recording.recorder.commit([(answer(), Asked(JPEG))], 60.0)
    recording.recorder.turn()
    await asyncio.gather(*waiting)
    assert (len(recording.rows()), recording.count("inspections", "lost")) == (2, 0)


async def test_of_pictures_that_are_refused_together_none_is_stored(record: Record) -> None:
    recording = Kept(record, durable=True, backlog=Backlog(bytes=len(JPEG) + 1))
    both = [(answer(0.9, request_id=name), Asked(JPEG)) for name in ("fits", "does not")]
    with pytest.raises(RecordError, match="take all their memory"):
        await recording.recorder.commit(both, 60.0)
    recording.recorder.turn()
    assert recording.rows() == []


async def test_a_sweep_keeps_no_answer_waiting(record: Record) -> None:
    recording = Kept(record, durable=True, retain=RetentionRule.read("days=1"))
    recording.recorder.turn()
    waiting = await committing(recording, "meanwhile")
    assert not recording.recorder._retention.stop()
    await asyncio.gather(*waiting)
    assert [row.request_id for row in recording.rows()] == ["meanwhile"]


def test_what_was_committed_as_the_connection_broke_is_there_once(
    impatient, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Kept(record)
    recording.recorder.turn()
    commit, broken = type(record.database._engine.dialect).do_commit, []

    def breaks(dialect: Any, connection: Any) -> None:
        commit(dialect, connection)
        if not broken:
            broken.append(connection)
            raise OSError("the connection broke before the commit was told")

    for number in range(3):
        recording.recorder.note(answer(request_id=f"r{number}"), Asked(JPEG))
        recording.recorder.note_part(a_part(number))
    monkeypatch.setattr(type(record.database._engine.dialect), "do_commit", breaks)
    recording.recorder.turn()
    assert broken and recording.recorder.waiting == 3
    recording.recorder.note(answer(request_id="r3"), Asked(JPEG))
    recording.recorder.turn()
    assert [row.request_id for row in recording.rows()] == ["r0", "r1", "r2", "r3"]
    broken.clear()
    recording.recorder.note_part(a_part(3))
    recording.recorder.turn()
    recording.recorder.note_part(a_part(4))
    recording.recorder.turn()
    assert parts_in(record) == [0, 1, 2, 3, 4]
    assert recording.count("inspections", "stored") == 4
    assert recording.count("inspections", "lost") == 0
