"""What goes to a broker: at least once, in order, as much at once as it takes."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from takt.outlets.forwarding import MessageFeed
from takt.outlets.metrics import OutletMetrics
from takt.outlets.mqtt.carrier import MqttCarrier
from takt.outlets.mqtt.connection import Acknowledged, Retained
from takt.outlets.places import SpoolPlace
from takt.outlets.plugin import AwayError


class Broker:
    """A connection that keeps what is published and acknowledges what a test says."""

    def __init__(self, most_under_way: int = 10) -> None:
        self.most_under_way = most_under_way
        self.most_bytes = math.inf
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.published: list[tuple[str, dict[str, object], bool]] = []
        self.closed = False
        self.closed_as_lost: bool | None = None
        self.acknowledges_status = True
        self.will: Retained | None = None

    async def connect(self, will: Retained, acknowledged: Acknowledged) -> Broker:
        self.will, self.acknowledge = will, acknowledged
        return self

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        self.published.append((topic, json.loads(payload), retain))
        number = len(self.published)
        if retain and self.acknowledges_status:
            asyncio.get_running_loop().call_soon(self.acknowledge, number, 0)
        return number

    async def close(self, *, as_lost: bool) -> None:
        self.closed, self.closed_as_lost = True, as_lost

    @property
    def parts(self) -> list[object]:
        return [payload["part"] for _, payload, _ in self.published if "part" in payload]


class Line:
    """A feed with messages, carried to a broker."""

    def __init__(self, folder: Path, messages: int, most_under_way: int = 10) -> None:
        self.place = SpoolPlace(folder, 100)
        self.registry = CollectorRegistry()
        counts = OutletMetrics(self.registry).watch_spool("mqtt", lambda: 0)
        self.feed = MessageFeed(self.place, counts, "mqtt")
        self.broker = Broker(most_under_way)
        for part in range(messages):
            self.place.spool.put("takt/a", b'{"part":%d}' % part)
        self.place.spool.commit(late=False)
        carrier = MqttCarrier(self.broker.connect, "takt/status/0", lambda: 0.0)
        self.carrying = asyncio.create_task(carrier.carry(self.feed))

    async def settled(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.feed.ending.set()
        self.feed.wake()
        await self.carrying
        self.place.close()


async def test_it_says_that_it_is_there_and_that_it_ends_and_has_a_will(tmp_path: Path) -> None:
    line = Line(tmp_path, 0)
    await line.settled()
    assert line.feed.up
    await line.end()
    states = [
        (topic, payload["online"], retain) for topic, payload, retain in line.broker.published
    ]
    assert states == [("takt/status/0", True, True), ("takt/status/0", False, True)]
    assert line.broker.will is not None and line.broker.will.topic == "takt/status/0"
    assert json.loads(line.broker.will.payload) == {"type": "status", "online": False}
    assert line.broker.closed and not line.broker.closed_as_lost


async def test_a_broker_tells_the_will_where_nothing_else_says_that_it_ends(tmp_path: Path) -> None:
    refused = Line(tmp_path / "refused", 1)
    await refused.settled()
    refused.broker.acknowledge(2, 0x87)
    with pytest.raises(AwayError):
        await refused.carrying
    assert refused.broker.closed_as_lost

    left = Line(tmp_path / "left", 1)
    await left.settled()
    left.carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left.carrying
    assert left.broker.closed_as_lost
    for line in (refused, left):
        line.place.close()


async def test_as_many_are_under_way_as_the_broker_takes(tmp_path: Path) -> None:
    line = Line(tmp_path, 5, most_under_way=3)
    await line.settled()
    assert line.broker.parts == [0, 1, 2]
    line.broker.acknowledge(2, 0)
    await line.settled()
    assert line.broker.parts == [0, 1, 2, 3]
    for number in range(3, 7):
        line.broker.acknowledge(number, 0)
        await line.settled()
    await line.end()
    assert line.broker.parts == [0, 1, 2, 3, 4]


async def test_what_says_that_it_is_there_counts_among_what_the_broker_takes(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path, 2, most_under_way=1)
    line.broker.acknowledges_status = False
    await line.settled()
    assert line.broker.parts == []
    line.broker.acknowledge(1, 0x87)  # not allowed there, which loses no verdict
    await line.settled()
    assert line.broker.parts == [0]
    line.broker.acknowledge(2, 0)
    await line.settled()
    line.broker.acknowledge(3, 0)
    await line.end()
    assert line.broker.parts == [0, 1]


async def test_a_message_is_kept_until_it_and_all_before_are_acknowledged(tmp_path: Path) -> None:
    line = Line(tmp_path, 3)
    await line.settled()
    line.broker.acknowledge(3, 0)
    line.broker.acknowledge(4, 0x10)  # nobody has subscribed
    assert line.place.spool.waiting == 3
    line.broker.acknowledge(2, 0)
    assert line.place.spool.waiting == 0
    await line.end()


async def test_a_connection_that_is_lost_is_away_with_its_reason(tmp_path: Path) -> None:
    line = Line(tmp_path, 1)
    await line.settled()
    line.broker.lost.set_result("the broker has gone: no answer")
    with pytest.raises(AwayError, match="no answer"):
        await line.carrying
    assert line.broker.closed
    assert line.place.spool.waiting == 1
    line.place.close()


async def test_a_broker_that_does_not_allow_a_message_loses_none(tmp_path: Path) -> None:
    line = Line(tmp_path, 2)
    await line.settled()
    line.broker.acknowledge(2, 0x87)
    with pytest.raises(AwayError, match="takt/a: not authorized"):
        await asyncio.wait_for(line.carrying, 60)
    assert line.place.spool.waiting == 2
    line.place.close()


async def test_a_message_that_is_refused_takes_none_before_it_along(tmp_path: Path) -> None:
    line = Line(tmp_path, 2)
    await line.settled()
    line.broker.acknowledge(3, 0x90)
    assert line.place.spool.waiting == 2
    line.broker.acknowledge(2, 0)
    assert line.place.spool.waiting == 0
    await line.end()


async def test_a_message_that_was_taken_is_done_with_once_the_one_before_is_refused(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path, 2)
    await line.settled()
    line.broker.acknowledge(3, 0)
    line.broker.acknowledge(2, 0x90)
    assert line.place.spool.waiting == 0
    await line.end()


async def test_a_message_that_no_broker_can_take_holds_up_no_other(tmp_path: Path) -> None:
    line = Line(tmp_path, 2)
    await line.settled()
    line.broker.acknowledge(2, 0x90)
    line.broker.acknowledge(3, 0)
    assert line.place.spool.waiting == 0
    labels = {"outlet": "mqtt", "reason": "refused"}
    assert line.registry.get_sample_value("takt_outlet_dropped_total", labels) == 1
    await line.end()


async def test_a_message_that_is_larger_than_the_broker_takes_is_dropped_in_its_place(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path, 1)
    line.broker.most_bytes = 70
    line.place.spool.put("takt/a", b'{"part":"%s"}' % (b"x" * 40))
    line.place.spool.put("takt/a", b'{"part":2}')
    line.place.spool.commit(late=False)
    await line.settled()
    assert line.broker.parts == [0]
    line.broker.acknowledge(2, 0)
    await line.settled()
    assert line.broker.parts == [0, 2]
    labels = {"outlet": "mqtt", "reason": "refused"}
    assert line.registry.get_sample_value("takt_outlet_dropped_total", labels) == 1
    line.broker.acknowledge(3, 0)
    assert line.place.spool.waiting == 0
    await line.end()
