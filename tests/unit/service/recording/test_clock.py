"""A clock that may be wrong: nothing is removed on its word, until a person says it is right."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from takt.observing.records import Asked
from takt.recording.audit.chain import entries_of
from takt.recording.clock import RecordClock, said_to_be_right
from takt.recording.keeping import KeepingRule
from takt.recording.metrics import RecordMetrics
from takt.recording.record import Record
from takt.recording.retention import RetentionRule
from takt.recording.tables import inspections
from takt.recording.writer import Recorder
from tests.unit.service.recording.test_writer import AT_S, JPEG, answer

DAY_S = 86_400.0
DEFAULT = "days=90,pictures=1000,record_days=400"


class Running:
    """A server's recorder, and the two clocks of its host.

    Attributes:
        host_s: what the host's clock says.
        elapsed_s: what has passed in truth.
    """

    def __init__(self, record: Record, host_s: float = AT_S, retain: str = DEFAULT) -> None:
        self.record = record
        self.host_s, self.elapsed_s = host_s, 7.0
        self.registry = CollectorRegistry()
        self.recorder = Recorder(
            record,
            KeepingRule.read("rejects"),
            RetentionRule.read(retain),
            RecordMetrics(self.registry),
            clock=lambda: self.host_s,
            elapsed=lambda: self.elapsed_s,
        )
        self.recorder._metrics.begin()

    def inspect(self, *numbers: int) -> None:
        for number in numbers:
            picture = JPEG + b"%03d" % number
            self.recorder.note(answer(0.7, at_s=self.host_s), Asked(picture))
        self.pass_s(61)

    def pass_s(self, seconds: float) -> None:
        """Time passes, and the recorder does what is due."""
        self.host_s += seconds
        self.elapsed_s += seconds
        self.recorder.turn()

    def set_clock(self, days: float) -> None:
        """Somebody sets the host's clock by so many days."""
        self.host_s += days * DAY_S

    @property
    def rows(self) -> int:
        with self.record.database.reading() as connection:
            return int(connection.execute(select(func.count(inspections.c.id))).scalar_one())

    @property
    def pictures(self) -> int:
        return len(list(self.record.pictures.files()))

    @property
    def doubted(self) -> float | None:
        return self.registry.get_sample_value("takt_record_clock_doubted")


def test_a_clock_that_goes_ahead_for_a_while_removes_nothing(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(record)
    running.inspect(*range(30))
    assert (running.rows, running.doubted) == (30, 0)
    running.set_clock(days=500)
    running.pass_s(75)
    assert (running.rows, running.pictures, running.doubted) == (30, 30, 1)
    assert [one.levelno for one in caplog.records if "went ahead by 500 days" in one.message] == [
        logging.WARNING
    ]
    running.set_clock(days=-500)
    running.pass_s(75)
    assert (running.rows, running.pictures, running.doubted) == (30, 30, 0)


def test_bounds_of_number_hold_whatever_the_clock_says(record: Record) -> None:
    running = Running(record, retain="days=90,pictures=40")
    running.inspect(0)
    running = Running(record, host_s=AT_S + 60 * DAY_S, retain="days=90,pictures=40")
    running.inspect(*range(100, 180))
    assert (running.pictures, running.doubted) == (40, 1)
    running.set_clock(days=-60)
    running.inspect(*range(200, 274))
    assert (running.pictures, running.doubted) == (40, 0)
    # Those that came last stay, though others are dated later.
    assert newest_pictures(record) == list(range(len_of(record) - 39, len_of(record) + 1))


def len_of(record: Record) -> int:
    with record.database.reading() as connection:
        return int(connection.execute(select(func.max(inspections.c.id))).scalar_one())


def newest_pictures(record: Record) -> list[int]:
    with record.database.reading() as connection:
        there = select(inspections.c.id).where(inspections.c.picture).order_by(inspections.c.id)
        return list(connection.execute(there).scalars())


def test_a_doubt_outlasts_a_start_with_the_wrong_clock(record: Record) -> None:
    Running(record).inspect(*range(3))
    for _ in range(3):
        running = Running(record, host_s=AT_S + 500 * DAY_S)
        running.inspect(100)
        assert running.doubted == 1
    assert running.rows == 6


def test_a_record_of_before_is_held_against_its_newest_inspection(record: Record) -> None:
    running = Running(record)
    running.inspect(1)
    (record.folder / "clock.json").unlink()
    for _ in range(2):
        # What is recorded meanwhile proves nothing.
        running = Running(record, host_s=AT_S + 500 * DAY_S)
        running.inspect(2)
        assert (running.rows > 1, running.doubted) == (True, 1)


@pytest.mark.parametrize("days", [-2, 15])
def test_a_start_long_before_or_after_the_last_moment_asks(record: Record, days: float) -> None:
    Running(record).inspect(1)
    running = Running(record, host_s=AT_S + days * DAY_S)
    running.pass_s(1)
    assert running.doubted == 1


def test_a_stop_of_two_weeks_asks_nobody(record: Record) -> None:
    Running(record).inspect(1)
    running = Running(record, host_s=AT_S + 13.9 * DAY_S)
    running.pass_s(1)
    assert running.doubted == 0


def test_nobody_is_asked_where_nothing_grows_old(record: Record) -> None:
    Running(record, retain="pictures=5").inspect(1)
    running = Running(record, host_s=AT_S + 900 * DAY_S, retain="pictures=5")
    running.pass_s(1)
    assert running.doubted == 0


def test_once_somebody_says_that_the_clock_is_right_what_is_too_old_goes(record: Record) -> None:
    running = Running(record)
    running.inspect(*range(3))
    running.set_clock(days=500)
    running.pass_s(61)
    assert running.rows == 3
    said_to_be_right(record, running.host_s, "ann")
    running.pass_s(61)
    # The last row stays, so that its number is not given again; its picture does not.
    assert (running.rows, running.pictures, running.doubted) == (1, 0, 0)
    (entry,) = entries_of(record.database)
    assert (entry.who, entry.action) == ("ann", "clock_confirmed")
    # From then on it is held to that.
    running.set_clock(days=-500)
    running.inspect(5)
    assert (running.rows, running.doubted) == (2, 1)


def test_what_was_recorded_by_a_clock_that_was_behind_does_not_go_when_it_is_right(
    record: Record,
) -> None:
    Running(record).inspect(1)
    running = Running(record, host_s=AT_S - 3000 * DAY_S)
    running.inspect(2, 3)
    assert (running.pictures, running.doubted) == (3, 1)
    running.set_clock(days=3000)
    running.pass_s(61)
    assert (running.pictures, running.doubted) == (3, 0)
    # They grow old with what was recorded before and after them.
    for _ in range(10):
        running.pass_s(10 * DAY_S)
    running.inspect(4)
    assert running.pictures == 3
    running.pass_s(91 * DAY_S)
    assert running.pictures == 0


def test_a_moment_that_cannot_be_kept_costs_nothing_but_a_line(
    record: Record, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("takt.recording.clock.write_atomically", refuse)
    clock = RecordClock(record.folder, lambda: AT_S, lambda: 1.0)
    assert [clock.doubt(None) for _ in range(3)] == [None] * 3
    assert sum("cannot be written" in one.message for one in caplog.records) == 1
