"""Forwards what a spool has to its other end, in order, for as long as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from takt.outlets.metrics import SpoolCounts
from takt.outlets.places import SpoolPlace
from takt.outlets.plugin import AwayError
from takt.outlets.spool import Stored

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Waits between attempts: each is up to twice the one before, until the longest."""

MOST_ASKED_S = 300.0
"""Longest wait that the other end may ask for."""

TIDY_EVERY_S = 0.25
"""Time in which what was taken is removed from the disk; after a kill it is sent again."""

TOLD_EVERY_S = 10.0
"""Shortest time between two lines of the log that say that the other end is away."""

TAKE_OVER_EVERY_S = 10.0
_LINGER_S = 1.0
"""Longest time at the end in which the other end may take what waits."""

Wait = Callable[[float], Awaitable[object]]

logger = logging.getLogger("takt.outlets")


class Carrier(Protocol):
    """Carries messages to one other end."""

    async def carry(self, feed: MessageFeed) -> None:
        """Connect, and carry what the feed has until it ends.

        Raises:
            AwayError: the other end cannot be reached, or has gone; it is tried again.
            GoneError: it wants nothing any more.
        """


class GoneError(Exception):
    """The other end wants nothing any more; the text says why."""


class MessageFeed:
    """What a carrier has to carry; used on the forwarder's loop.

    Args:
        place: with the spool.
        counts: what becomes of the messages.
        name: of the outlet, for the log.

    Attributes:
        up: whether the other end is there.
        failures: attempts since it last took something.
        ending: set once nothing more is to be carried.
        loop: on which it is used.
    """

    def __init__(self, place: SpoolPlace, counts: SpoolCounts, name: str) -> None:
        self._place = place
        self._spool = place.spool
        self._counts = counts
        self._name = name
        self._given = 0
        self._news = asyncio.Event()
        self._tidying: asyncio.TimerHandle | None = None
        self.failures = 0
        self._told: Literal["up", "away"] | None = None
        self._told_away_s = -math.inf
        self.up = False
        self.ending = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """There is more, or it ends."""
        self._news.set()

    def end(self) -> None:
        """Nothing more is to be carried."""
        self.ending.set()
        self.wake()

    @property
    def is_empty(self) -> bool:
        """Whether everything is done with."""
        return self._spool.waiting == 0

    async def next(self) -> list[Stored]:
        """The messages after those given last, once there are any; none at the end."""
        while True:
            self._news.clear()
            if self._spool.newest > self._given and (some := self._spool.after(self._given)):
                self._given = some[-1].seq
                return some
            if self.ending.is_set():
                return []
            await self._news.wait()

    def reached(self) -> None:
        """The other end is there; whether it takes anything is seen with the first message."""
        self.up = True
        self._counts.up.set(1)
        if self.is_empty:
            self._works()

    def delivered(self, seq: int, messages: int = 1) -> None:
        """The other end has taken everything up to a place."""
        self._works()
        self._counts.delivered.inc(messages)
        self._forget(seq)

    def assume_up(self) -> None:
        """Nothing speaks against it yet, as long as nothing was sent."""
        if not self.failures:
            self.up = True
            self._counts.up.set(1)

    def refused(self, one: Stored, why: str) -> None:
        """The other end will never take this one; it is dropped, and told."""
        self._counts.refused.inc()
        logger.error("the outlet %s drops the message %s: %s", self._name, one.id, why)
        self._forget(one.seq)

    def away(self, why: str) -> bool:
        """The other end is not there; everything is given again, from the oldest that waits.

        Returns:
            Whether it is said in the log: once, and not each time of one that comes and goes.
        """
        self.failures += 1
        now_s = self.loop.time()
        if tells := self._told != "away" and now_s - self._told_away_s >= TOLD_EVERY_S:
            self._told, self._told_away_s = "away", now_s
            logger.error(
                "the outlet %s does not reach its other end, and keeps its messages: %s",
                self._name,
                why,
            )
        # Twice, as something may have been stored just as the other end went away.
        if self.up or self.failures <= 2:
            self._spool.mark_late()
        self.up = False
        self._counts.up.set(0)
        self._given = 0
        return tells

    def take_over(self) -> None:
        """Take what other processes have left, while there is nothing else."""
        if self.is_empty and (moved := self._place.take_over()):
            logger.info("the outlet %s takes over messages of a process that has ended: %d",
                        self._name, moved)  # fmt: skip
            self.wake()

    def _works(self) -> None:
        if self._told != "up":
            self._told = "up"
            logger.info("the outlet %s reaches its other end", self._name)
        self.failures = 0

    def _forget(self, seq: int) -> None:
        self._spool.done(seq)
        if self._tidying is None:
            self._tidying = self.loop.call_later(TIDY_EVERY_S, self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        with contextlib.suppress(sqlite3.Error):  # it is tried again with the next message
            self._spool.tidy()


class Forwarder:
    """Runs a carrier on a thread and a loop of its own, again and again, until it is closed.

    Args:
        name: of the outlet.
        place: with the spool.
        carrier: to the other end.
        counts: what becomes of the messages.
        wait: waits for some seconds.
        chance: gives numbers from 0 to 1, by which waits are spread.
    """

    def __init__(
        self,
        name: str,
        place: SpoolPlace,
        carrier: Carrier,
        counts: SpoolCounts,
        wait: Wait = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._place = place
        self._carrier = carrier
        self._counts = counts
        self._wait = wait
        self._chance = chance
        self._feed: MessageFeed | None = None
        self._ready = threading.Event()
        self.gone = False
        self._thread = threading.Thread(target=self._run, name=f"forward-{name}", daemon=True)

    @property
    def up(self) -> bool:
        """Whether the other end is there."""
        return self._feed is not None and self._feed.up

    def start(self) -> None:
        """Begin; returns once it can be woken."""
        self._thread.start()
        self._ready.wait()

    def wake(self) -> None:
        """Forward what was stored; any thread may call it."""
        self._soon(MessageFeed.wake)

    def close(self) -> None:
        """End; what waits stays where it is, for the next start."""
        if self._thread.ident is not None:
            self._soon(MessageFeed.end)
            self._thread.join(2 * _LINGER_S)

    def _soon(self, what: Callable[[MessageFeed], object]) -> None:
        if self._feed is not None:
            with contextlib.suppress(RuntimeError):  # its loop has ended meanwhile
                self._feed.loop.call_soon_threadsafe(what, self._feed)

    def _run(self) -> None:
        try:
            asyncio.run(self._forward())
        except BaseException:
            logger.exception("the outlet %s has ended by itself", self._name)
        finally:
            self._counts.up.set(0)
            self._ready.set()

    async def _forward(self) -> None:
        self._feed = feed = MessageFeed(self._place, self._counts, self._name)
        self._ready.set()
        carrying = asyncio.create_task(self._carry(feed))
        taking_over = asyncio.create_task(_take_over(feed))
        ending = asyncio.create_task(feed.ending.wait())
        await asyncio.wait((carrying, ending), return_when=asyncio.FIRST_COMPLETED)
        if feed.up:
            await asyncio.wait((carrying,), timeout=_LINGER_S)
        for task in (carrying, taking_over, ending):
            task.cancel()
        for found in await asyncio.gather(carrying, taking_over, ending, return_exceptions=True):
            if isinstance(found, Exception):
                logger.error("the outlet %s: %s", self._name, found, exc_info=found)

    async def _carry(self, feed: MessageFeed) -> None:
        while not feed.ending.is_set():
            asked_s = 0.0
            try:
                await self._carrier.carry(feed)
            except AwayError as error:
                asked_s = min(error.again_s, MOST_ASKED_S)
                feed.away(str(error))
            except GoneError as error:
                self.gone = True
                feed.away(str(error))
                logger.error("the outlet %s sends nothing any more: %s", self._name, error)
                return
            except Exception as error:
                if feed.away(f"{type(error).__name__}: {error}"):
                    logger.exception("the outlet %s has met something unforeseen", self._name)
            else:
                return
            await self._wait(max(asked_s, wait_s(feed.failures, self._chance())))


def wait_s(failures: int, chance: float) -> float:
    """Seconds until the next attempt: longer each time, and spread by chance.

    >>> [wait_s(failures, 1.0) for failures in (1, 2, 3, 10)], wait_s(1, 0.0)
    ([0.5, 1.0, 2.0, 30.0], 0.25)
    """
    longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 10))
    return float(longest_s * (0.5 + chance / 2))


async def _take_over(feed: MessageFeed) -> None:
    while True:
        await asyncio.sleep(TAKE_OVER_EVERY_S)
        feed.take_over()
