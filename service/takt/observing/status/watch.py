"""Reads the instruments every few seconds, and tells how the server fares."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from takt.observing.status.alarms import Alarm, Alarms
from takt.observing.status.figures import Difference, ModelFigures, Stretch, total
from takt.observing.status.host_state import HostReader, HostState
from takt.observing.status.reading import Read, Reading
from takt.observing.status.readings import KeptReadings, Readings

EVERY_S = 5.0
"""Time between two readings."""

MINUTE_S = 60.0
"""Stretch of time of the figures that tell of now."""

_FRESH_S = 1.0
"""Whoever asks gets a reading that is no older, so that many who ask cost no more than one."""

_HOST_WITHIN_S = 0.5
"""Longest wait for the host where nothing else is known of it; a disk may not answer."""

_POINT_S = 10.0
_POINTS = 60


@dataclass(frozen=True, slots=True)
class Point:
    """What happened within the ten seconds before a moment.

    Attributes:
        unix_s: the moment.
        per_s: answered pictures in each second.
        refused_per_s: pictures in each second that ended in an error.
        queue_depth: pictures that waited at that moment, in all models.
        total_ms: 99th percentile of the whole journey; None where no picture was answered.
        queue_ms: of the waiting.
        engine_ms: of the engine.
    """

    unix_s: float
    per_s: float
    refused_per_s: float
    queue_depth: int
    total_ms: float | None
    queue_ms: float | None
    engine_ms: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """How a server fares.

    Attributes:
        unix_s: when that was.
        uptime_s: time since the start.
        alarms: conditions that hold, the gravest first.
        last_minute: what happened within the last minute.
        since_start: what happened since the start.
        models: each model within the last minute.
        points: the last five minutes, the oldest first.
        reading: what the instruments showed.
        host: what the host said last.
        is_of_leader: whether the worker says it that has watched since the start; another one
            knows what it has seen since it was asked first.
    """

    unix_s: float
    uptime_s: float
    alarms: Sequence[Alarm]
    last_minute: Stretch
    since_start: Stretch
    models: Sequence[ModelFigures]
    points: Sequence[Point]
    reading: Reading
    host: HostState
    is_of_leader: bool = True

    def total(self, name: str, **labels: str) -> float:
        """The sum of an instrument's values that have these labels."""
        return total(self.reading, name, **labels)


class StatusWatch:
    """Remembers the last readings; used on one event loop.

    The loop reads the instruments, as it feeds them; a thread finds out what they mean.

    Args:
        read: reads the instruments.
        host: asks the host.
        clock: gives seconds that never go back.
        unix_clock: gives Unix time in seconds.
        began_s: when the server began, which may be before this process did, on the same clock.
        leads: whether this process watches; another one is asked only while that one is silent,
            and keeps readings as long as it is asked.
    """

    def __init__(
        self,
        read: Read,
        host: HostReader,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
        began_s: Callable[[], float | None] = lambda: None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._read_instruments = read
        self._host_reader = host
        self._clock = clock
        self._unix_clock = unix_clock
        self._own_start_s = clock()
        self._began_s = began_s
        self._leads = leads
        self._begin()
        self._newest: Reading | None = None
        self._one_at_a_time = asyncio.Lock()

    def _begin(self) -> None:
        self._host = HostState()
        self._history = KeptReadings(EVERY_S)
        self._minute: deque[Reading] = deque()
        self._points: deque[Point] = deque(maxlen=_POINTS)
        self._alarms = Alarms()
        self._held: list[Alarm] = []

    @property
    def _started_s(self) -> float:
        began_s = self._began_s()
        return self._own_start_s if began_s is None else min(began_s, self._own_start_s)

    async def run(self) -> None:
        """Read the instruments until the server ends."""
        while True:
            await self.keep()
            await asyncio.sleep(EVERY_S)

    async def follow_host(self) -> None:
        """Ask the host until the server ends; a disk that does not answer keeps nobody waiting."""
        while True:
            self._host = await asyncio.to_thread(self._host_reader.read)
            await asyncio.sleep(EVERY_S)

    async def keep(self) -> None:
        """Read the instruments and remember what they show."""
        async with self._one_at_a_time:
            await self._keep()

    async def status(self) -> Status:
        """How the server fares now."""
        async with self._one_at_a_time:
            if not self._leads():
                await self._keep_while_asked()
            elif not self._minute:
                await self._keep()
            now = self._newest
            if now is None or self._clock() - now.at_s > _FRESH_S:
                now = await self._read()
            return await asyncio.to_thread(self._tell, now)

    async def _keep(self) -> None:
        await asyncio.to_thread(self._remember, await self._read())

    async def _keep_while_asked(self) -> None:
        now_s = self._clock()
        if not self._minute or self._minute[-1].at_s < now_s - MINUTE_S:
            # What was seen while another one was silent says nothing of now.
            self._begin()
            await self._keep()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HOST_WITHIN_S):
                    self._host = await asyncio.to_thread(self._host_reader.read)
        elif self._minute[-1].at_s <= now_s - EVERY_S:
            await self._keep()

    async def _read(self) -> Reading:
        self._newest = await self._read_instruments(self._clock())
        return self._newest

    def _remember(self, now: Reading) -> None:
        self._history.add(now)
        self._look(now)
        self._minute.append(now)
        while len(self._minute) > 1 and self._minute[1].at_s <= now.at_s - MINUTE_S:
            self._minute.popleft()
        self._points.append(self._point(now))

    def _tell(self, now: Reading) -> Status:
        self._look(now)
        last_minute = Difference(self._before(now, MINUTE_S), now)
        return Status(
            unix_s=self.unix_of(now.at_s),
            uptime_s=now.at_s - self._started_s,
            alarms=self._held,
            last_minute=last_minute.stretch(),
            since_start=Difference(Reading(self._started_s, {}), now).stretch(),
            models=last_minute.models(),
            points=list(self._points),
            reading=now,
            host=self._host,
            is_of_leader=self._leads(),
        )

    def _look(self, now: Reading) -> None:
        self._held = self._alarms.update(Readings(now, self._history, self.unix_of(now.at_s)))

    def _before(self, now: Reading, length_s: float) -> Reading:
        """The newest reading that is as old, or the oldest one."""
        old = [one for one in self._minute if one.at_s <= now.at_s - length_s]
        return old[-1] if old else self._minute[0]

    def _point(self, now: Reading) -> Point:
        within = Difference(self._before(now, _POINT_S), now)
        return Point(
            unix_s=self.unix_of(now.at_s),
            per_s=within.per_s(),
            refused_per_s=within.per_s(refused=True),
            queue_depth=round(total(now, "takt_queue_depth")),
            total_ms=within.p99_ms("total"),
            queue_ms=within.p99_ms("queue"),
            engine_ms=within.p99_ms("engine"),
        )

    def unix_of(self, at_s: float) -> float:
        """Unix time of a moment on the monotonic clock."""
        return self._unix_clock() - (self._clock() - at_s)
