"""An outlet that keeps its messages tells of those that the disk does not take, in one line."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from takt.observing.records import Asked
from takt.observing.repeats import Repeats
from takt.outlets.kept import MakeMessages, OutletMessage, keep
from takt.outlets.metrics import OutletMetrics
from takt.outlets.plugin import Sender
from tests.unit.service.outlets.test_queued import answer

MESSAGES = 300


class Log:
    """The process's log, whose ten seconds pass when a test says so."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ends: list[Callable[[], None]] = []
        self.handler = logging.Handler()
        self.handler.emit = self._emit  # type: ignore[method-assign]
        self.handler.addFilter(Repeats(self.handler.handle, lambda _, end: self.ends.append(end)))

    def pass_ten_seconds(self) -> None:
        while self.ends:
            self.ends.pop()()

    def _emit(self, record: logging.LogRecord) -> None:
        assert record.exc_info is None
        self.lines.append(record.getMessage())


@pytest.fixture
def log() -> Iterator[Log]:
    found = Log()
    logging.getLogger("takt.outlets").addHandler(found.handler)
    yield found
    logging.getLogger("takt.outlets").removeHandler(found.handler)


def opened(name: str, folder: Path, metrics: OutletMetrics) -> Sender:
    made = OutletMessage("parts", b'{"part":"A"}')
    makes = MakeMessages(lambda answer, asked: made, lambda part: None)

    class Nobody:
        async def carry(self, feed: object) -> None:
            """It is not begun."""

    return keep(name, folder, 1000, makes, lambda place: Nobody(), metrics)


def fill_disk(folder: Path) -> sqlite3.Connection:
    """Leave no table to write to, as little as there is on a disk that is full."""
    other = sqlite3.connect(folder / "0.sqlite")
    with other:
        other.execute("ALTER TABLE message RENAME TO away")
    return other


def test_messages_that_the_disk_does_not_take_are_one_line_and_their_number(
    tmp_path: Path, log: Log
) -> None:
    registry = CollectorRegistry()
    metrics = OutletMetrics(registry)
    senders = {name: opened(name, tmp_path / name, metrics) for name in ("mqtt", "webhook-mes")}
    disks = [fill_disk(tmp_path / name) for name in senders]
    for number in range(MESSAGES):
        for sender in senders.values():
            sender.send(answer(), Asked(None, "line3"))
            if number % 3 == 0:
                sender.flush()
    for sender in senders.values():
        sender.flush()

    lost = [
        f"a message of the outlet {name} cannot be stored, and is lost: no such table: message"
        for name in senders
    ]
    assert log.lines == lost
    log.lines.clear()
    log.pass_ten_seconds()
    more = f"... and {MESSAGES - 1} more of the same in 10 s: LostMessageError: "
    assert sorted(log.lines) == [more + one for one in lost]
    for name in senders:
        labels = {"outlet": name, "reason": "disk"}
        assert registry.get_sample_value("takt_outlet_dropped_total", labels) == MESSAGES
    for disk in disks:
        disk.close()
    for sender in senders.values():
        sender.close()
