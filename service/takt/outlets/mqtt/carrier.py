"""Publishes what the spool has, several messages at once and in order, and whether it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import orjson

from takt.outlets.forwarding import MessageFeed
from takt.outlets.message import time_text
from takt.outlets.mqtt.connection import Acknowledged, BrokerConnection, Retained
from takt.outlets.plugin import AwayError
from takt.outlets.spool import Stored

ACKNOWLEDGED_WITHIN_S = 20.0
"""Longest time in which a broker acknowledges something, while as much as may be is under way."""

INVALID: Final = frozenset({0x90, 0x95, 0x99})
"""Reasons that lie in the message: its topic, its size, its format. It will never be taken."""

_REFUSED: Final = 0x80
_REASONS: Final = {0x87: "not authorized", 0x97: "quota exceeded"}

Connect = Callable[[Retained, Acknowledged], Awaitable[BrokerConnection]]
"""Connects, with a will, and says who hears of acknowledgements; raises an AwayError."""


class MqttCarrier:
    """Carries messages to a broker.

    Args:
        connect: connects to it.
        status_topic: where it says whether this process is there.
        clock: gives Unix time in seconds.
    """

    def __init__(self, connect: Connect, status_topic: str, clock: Callable[[], float]) -> None:
        self._connect = connect
        self._status_topic = status_topic
        self._clock = clock

    async def carry(self, feed: MessageFeed) -> None:
        """Publish until the feed ends; see `Carrier`."""
        sending = _Sending(feed)
        will = Retained(self._status_topic, orjson.dumps({"type": "status", "online": False}))
        connection = await self._connect(will, sending.acknowledged)
        running = asyncio.create_task(sending.run(connection))
        has_told = False
        try:
            sending.announced(
                connection.publish(self._status_topic, self._status(online=True), retain=True)
            )
            feed.reached()
            await asyncio.wait(
                (running, sending.refusal, connection.lost), return_when=asyncio.FIRST_COMPLETED
            )
            for ended in (sending.refusal, connection.lost):
                if ended.done():
                    raise AwayError(ended.result())
            running.result()
            connection.publish(self._status_topic, self._status(online=False), retain=True)
            has_told = True
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            # Else it would stand there as online: nobody may come back.
            await connection.close(as_lost=not has_told)

    def _status(self, *, online: bool) -> bytes:
        return orjson.dumps({"type": "status", "online": online, "at": time_text(self._clock())})


class _Sending:
    """Messages that are under way, in their order.

    Args:
        feed: has them.

    Attributes:
        refusal: done, with the reason, once the broker has refused one that is to be sent again.
    """

    def __init__(self, feed: MessageFeed) -> None:
        self._feed = feed
        self._under_way: dict[int, Stored] = {}
        # What the broker has said of each of them, until those before it are done with.
        self._said: dict[int, int] = {}
        # Of what says that the server is there, until the broker has it.
        self._announced: int | None = None
        self._news = asyncio.Event()
        self.refusal: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self, connection: BrokerConnection) -> None:
        """Send until the feed ends and everything is acknowledged.

        Raises:
            AwayError: the broker is gone, or does not take what it is sent.
        """
        while some := await self._feed.next():
            for one in some:
                await self._until_fewer_than(connection.most_under_way)
                size = len(one.topic.encode()) + len(one.payload)
                if size > connection.most_bytes:
                    # A broker ends the connection for it, each time anew.
                    await self._until_fewer_than(1)
                    most = connection.most_bytes
                    self._feed.refused(one, f"it has {size} bytes, and the broker takes {most:.0f}")
                    continue
                self._under_way[connection.publish(one.topic, one.payload)] = one
        await self._until_fewer_than(1)

    def announced(self, number: int) -> None:
        """Hear of what says that the server is there, which the broker has to take as well."""
        self._announced = number

    def acknowledged(self, number: int, reason: int) -> None:
        """Hear that the broker has a message, or has refused it."""
        if number == self._announced:
            self._announced = None
            self._news.set()
        one = self._under_way.get(number)
        if one is None:
            return  # the status
        if reason >= _REFUSED and reason not in INVALID:
            why = _REASONS.get(reason, f"reason {reason:#x}")
            if not self.refusal.done():
                self.refusal.set_result(f"the broker refuses messages for {one.topic}: {why}")
        else:
            self._said[number] = reason
            self._settle()
        self._news.set()

    def _settle(self) -> None:
        """Be done with the oldest ones of which the broker has said something."""
        messages, seq = 0, 0
        for number in list(self._under_way):
            if (reason := self._said.pop(number, None)) is None:
                break
            one = self._under_way.pop(number)
            if reason in INVALID:
                self._feed.refused(one, f"the broker refuses it, reason {reason:#x}")
            else:
                messages, seq = messages + 1, one.seq
        if messages:
            self._feed.delivered(seq, messages)

    async def _until_fewer_than(self, most: int) -> None:
        while len(self._under_way) + (self._announced is not None) >= most:
            self._news.clear()
            try:
                async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                    await self._news.wait()
            except TimeoutError:
                raise AwayError(
                    f"the broker acknowledges nothing within {ACKNOWLEDGED_WITHIN_S:.0f} s"
                ) from None
