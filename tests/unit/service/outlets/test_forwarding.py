"""What a spool has reaches its other end in order, however often that goes away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from takt.outlets.forwarding import Forwarder, GoneError, MessageFeed, wait_s
from takt.outlets.metrics import OutletMetrics
from takt.outlets.places import SpoolPlace
from takt.outlets.plugin import AwayError
from tests.unit.service.outlets.test_queued import WITHIN_S


class Line:
    """An outlet whose carrier does what a test says, and whose waits are over at once."""

    def __init__(self, tmp_path: Path, carry: Callable[[Line, MessageFeed], object]) -> None:
        self.registry = CollectorRegistry()
        self.place = SpoolPlace(tmp_path, 100)
        self.waits: list[float] = []
        self.got: list[tuple[bytes, bool]] = []
        self.happened = threading.Condition()
        self._carry = carry
        counts = OutletMetrics(self.registry).watch_spool("x", lambda: self.place.spool.waiting)
        self.forwarder = Forwarder("x", self.place, self, counts, self._wait, lambda: 1.0)

    async def carry(self, feed: MessageFeed) -> None:
        await self._carry(self, feed)  # type: ignore[misc]

    async def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def take_all(self, feed: MessageFeed) -> None:
        feed.reached()
        while some := await feed.next():
            for one in some:
                with self.happened:
                    self.got.append((one.body, one.late))
                    self.happened.notify_all()
                feed.delivered(one.seq)

    def put(self, *bodies: bytes) -> None:
        for body in bodies:
            self.place.spool.put("topic", body)
        self.place.spool.commit(late=not self.forwarder.up)
        self.forwarder.wake()

    def until(self, condition: Callable[[], bool]) -> None:
        with self.happened:
            assert self.happened.wait_for(condition, WITHIN_S)

    def close(self) -> None:
        self.forwarder.close()
        self.place.close()

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"outlet": "x", **labels})


async def take_all(line: Line, feed: MessageFeed) -> None:
    await line.take_all(feed)


def test_messages_are_carried_in_order_as_they_come(tmp_path: Path) -> None:
    line = Line(tmp_path, take_all)
    line.put(b"{0}", b"{1}")
    line.forwarder.start()
    line.until(lambda: len(line.got) == 2)
    line.put(b"{2}")
    line.until(lambda: len(line.got) == 3)
    line.close()
    assert [body for body, _ in line.got] == [b"{0}", b"{1}", b"{2}"]
    assert line.value("takt_outlet_delivered_total") == 3
    assert line.value("takt_outlet_kept_messages") == 0


def test_what_was_not_taken_is_carried_again_and_marked_late(tmp_path: Path) -> None:
    attempts: list[int] = []

    async def fail_once(line: Line, feed: MessageFeed) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            feed.reached()
            first, *_ = await feed.next()
            feed.delivered(first.seq)
            raise AwayError("the broker has gone")
        await line.take_all(feed)

    line = Line(tmp_path, fail_once)
    line.put(b"{0}", b"{1}", b"{2}")
    line.forwarder.start()
    line.until(lambda: len(line.got) == 2)
    line.put(b"{3}")
    line.until(lambda: len(line.got) == 3)
    line.close()
    assert line.got == [(b"{1}", True), (b"{2}", True), (b"{3}", False)]


def test_an_other_end_that_goes_away_while_the_disk_is_full_is_reached_again(
    tmp_path: Path,
) -> None:
    async def come_back(line: Line, feed: MessageFeed) -> None:
        if not line.waits:
            feed.reached()
            raise AwayError("the broker has gone")
        await line.take_all(feed)

    line = Line(tmp_path, come_back)
    line.put(b"{0}")
    # As a disk that is full: nothing can be written, and what is there can be read.
    line.place.spool._database.execute("PRAGMA query_only = 1")
    line.forwarder.start()
    line.until(lambda: line.got == [(b"{0}", True)])
    line.close()


def test_attempts_are_further_and_further_apart_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def come_back(line: Line, feed: MessageFeed) -> None:
        if len(line.waits) < 10:
            raise AwayError("there is nobody")
        await line.take_all(feed)

    line = Line(tmp_path, come_back)
    line.put(b"{0}")
    line.forwarder.start()
    line.until(lambda: len(line.got) == 1)
    line.close()
    assert line.waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert line.got == [(b"{0}", True)]
    # Said once, and not with each attempt.
    assert caplog.text.count("does not reach its other end") == 1


async def take_one(line: Line, feed: MessageFeed) -> None:
    feed.reached()
    if feed.is_empty:
        return await line.take_all(feed)
    first, *_ = await feed.next()
    with line.happened:
        line.got.append((first.body, first.late))
        line.happened.notify_all()
    feed.delivered(first.seq)
    raise AwayError("the broker has gone")


def taken_one_at_a_time(tmp_path: Path) -> None:
    """An other end goes away after each of twenty messages."""
    line = Line(tmp_path, take_one)
    line.put(*(b"{}" for _ in range(20)))
    line.forwarder.start()
    line.until(lambda: len(line.got) == 20)
    line.close()


def test_an_other_end_that_comes_and_goes_does_not_flood_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "takt.outlets")
    taken_one_at_a_time(tmp_path)
    told = [one.levelname for one in caplog.records]
    assert told == ["INFO", "ERROR", "INFO"]


def test_an_other_end_that_comes_and_goes_is_told_of_again_after_a_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.outlets.forwarding.TOLD_EVERY_S", 0.0)
    caplog.set_level("INFO", "takt.outlets")
    taken_one_at_a_time(tmp_path)
    told = [one.levelname for one in caplog.records]
    assert told[:4] == ["INFO", "ERROR", "INFO", "ERROR"]
    assert told.count("ERROR") == 20


def test_an_outage_that_follows_a_short_one_is_told_as_it_lasts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go_for_good(line: Line, feed: MessageFeed) -> None:
        if len(line.got) < 2:
            await take_one(line, feed)
        if len(line.waits) == 5:
            monkeypatch.setattr("takt.outlets.forwarding.TOLD_EVERY_S", 0.0)
        if len(line.waits) < 8:
            raise AwayError("it stays away")
        await line.take_all(feed)

    line = Line(tmp_path, go_for_good)
    line.put(b"{0}", b"{1}", b"{2}")
    line.forwarder.start()
    line.until(lambda: len(line.got) == 3)
    line.close()
    assert caplog.text.count("the broker has gone") == 1
    assert caplog.text.count("it stays away") == 1


def test_waits_are_spread_so_that_servers_do_not_come_back_at_once() -> None:
    assert {wait_s(3, chance) for chance in (0.0, 0.5, 1.0)} == {1.0, 1.5, 2.0}


def test_an_other_end_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    async def busy(line: Line, feed: MessageFeed) -> None:
        if not line.waits:
            raise AwayError("too many", again_s=120)
        if len(line.waits) == 1:
            raise AwayError("too many", again_s=1e9)
        await line.take_all(feed)

    line = Line(tmp_path, busy)
    line.put(b"{0}")
    line.forwarder.start()
    line.until(lambda: len(line.got) == 1)
    line.close()
    assert line.waits == [120, 300]


def test_an_other_end_that_wants_nothing_any_more_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(line: Line, feed: MessageFeed) -> None:
        await feed.next()
        raise GoneError("it answers 410")

    line = Line(tmp_path, refuse)
    line.put(b"{0}")
    line.forwarder.start()
    line.forwarder._thread.join(WITHIN_S)
    assert line.forwarder.gone
    assert line.waits == []
    assert "sends nothing any more: it answers 410" in caplog.text
    line.close()


def test_a_carrier_that_fails_unforeseen_is_told_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble(line: Line, feed: MessageFeed) -> None:
        if not line.waits:
            raise ZeroDivisionError("what")
        await line.take_all(feed)

    line = Line(tmp_path, stumble)
    line.put(b"{0}")
    line.forwarder.start()
    line.until(lambda: len(line.got) == 1)
    line.close()
    assert "something unforeseen" in caplog.text


def test_what_waits_is_carried_at_the_end_while_the_other_end_is_there(tmp_path: Path) -> None:
    line = Line(tmp_path, take_all)
    line.forwarder.start()
    line.put(b"{0}", b"{1}")
    line.close()
    assert [body for body, _ in line.got] == [b"{0}", b"{1}"]


def test_the_end_waits_for_no_other_end_that_is_away_and_keeps_what_waits(tmp_path: Path) -> None:
    waiting = threading.Event()

    async def hang(line: Line, feed: MessageFeed) -> None:
        waiting.set()
        await asyncio.Event().wait()

    line = Line(tmp_path, hang)
    line.put(b"{0}")
    line.forwarder.start()
    assert waiting.wait(WITHIN_S)
    line.close()
    again = Line(tmp_path, take_all)
    again.forwarder.start()
    again.until(lambda: again.got == [(b"{0}", True)])
    again.close()


def test_a_refused_message_is_dropped_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse_first(line: Line, feed: MessageFeed) -> None:
        feed.reached()
        first, second = await feed.next()
        feed.refused(first, "its topic is invalid")
        line.got.append((second.body, second.late))
        feed.delivered(second.seq)
        await line.take_all(feed)

    line = Line(tmp_path, refuse_first)
    line.put(b"{0}", b"{1}")
    line.forwarder.start()
    line.close()
    assert [body for body, _ in line.got] == [b"{1}"]
    assert line.value("takt_outlet_dropped_total", reason="refused") == 1
    assert "drops the message" in caplog.text


def test_an_other_end_that_lets_in_and_takes_nothing_is_asked_less_and_less_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def let_in(line: Line, feed: MessageFeed) -> None:
        feed.reached()
        if len(line.waits) < 5:
            raise AwayError("not authorized")
        await line.take_all(feed)

    line = Line(tmp_path, let_in)
    line.put(b"{0}")
    line.forwarder.start()
    line.until(lambda: len(line.got) == 1)
    line.close()
    assert line.waits == [0.5, 1, 2, 4, 8]
    assert caplog.text.count("does not reach its other end") == 1
