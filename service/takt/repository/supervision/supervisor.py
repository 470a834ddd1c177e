"""Keeps the engines of a version at work: what hangs, dies or fails is probed and replaced."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from takt.core.batching.batcher import Batcher
from takt.core.bundles.bundle import Bundle
from takt.core.domain import EngineFault, ModelInput, ModelOutput
from takt.core.engines.batches import batch_runner
from takt.core.errors import EngineHungError, NotReadyError, TaktError
from takt.observing.instruments.engine_metrics import EngineMetrics
from takt.repository.supervision.engine_room import CheckedEngine, EngineRoom
from takt.repository.supervision.lost_threads import LostThreads
from takt.repository.supervision.rules import Supervision

Run = Callable[[list[ModelInput]], list[ModelOutput]]

_WORDS: dict[EngineFault, str] = {
    "failing": "fails batch after batch",
    "hung": "does not answer",
    "died": "has died",
}

logger = logging.getLogger("takt.repository")


@dataclass(eq=False, slots=True)
class _Seat:
    """An engine, and the places of the batcher that it serves.

    Attributes:
        engine: answered its golden inputs when it was opened.
        places: one, or all where one engine is shared.
        fault: what is being mended; None while all is well.
        reopen: whether only another engine will do.
        tries: to mend it, since it last worked for a while.
        mended_s: when it was mended, on the monotonic clock.
        next_s: when it is tried next, on the monotonic clock.
    """

    engine: CheckedEngine
    places: tuple[int, ...]
    fault: EngineFault | None = None
    reopen: bool = False
    tries: int = 0
    mended_s: float = -math.inf
    next_s: float = 0.0


class Supervisor:
    """Mends the engines of a version; a `batching.worker.Keeper`, used on one event loop.

    An engine that fails is a breaker that has opened: it gets no picture until its golden answers
    are right. After a few wrong ones, and at once where a thread hangs in it or has died, another
    engine is opened beside it. Each try is later than the one before.

    Args:
        title: name and version, for people.
        bundle: holds the golden answers.
        engines: one for each place, or a single one that all share.
        room: opens, checks and closes engines.
        lost: counts threads that hang.
        metrics: counts faults and restarts.
        rules: bounds and paces.
    """

    def __init__(
        self,
        title: str,
        bundle: Bundle,
        engines: Sequence[CheckedEngine],
        room: EngineRoom,
        lost: LostThreads,
        metrics: EngineMetrics,
        rules: Supervision,
    ) -> None:
        self._title = title
        self._bundle = bundle
        self._room = room
        self._lost = lost
        self._metrics = metrics
        self._rules = rules
        instances = engines[0].plan.instances
        shared = engines[0].engine.shareable
        places = [tuple(range(instances))] if shared else [(place,) for place in range(instances)]
        self._seats = [_Seat(*both) for both in zip(engines, places, strict=True)]
        self._mending: set[asyncio.Task[None]] = set()
        self._batcher: Batcher[ModelInput, ModelOutput]
        self._closed = False

    @property
    def runners(self) -> list[Run]:
        """What the batcher runs, place by place."""
        return [self._runner(seat) for seat in self._seats for _ in seat.places]

    @property
    def trouble(self) -> str | None:
        """What is wrong with the engines, for people; None while all is well."""
        broken = [seat for seat in self._seats if seat.fault is not None]
        if not broken:
            return None
        fault = broken[0].fault
        return f"its engine {_WORDS[fault]}, and is being mended" if fault else None

    def begin(self, batcher: Batcher[ModelInput, ModelOutput]) -> None:
        """Watch over the batcher that has the runners."""
        self._batcher = batcher
        for seat in self._seats:
            batcher.tell_times(seat.engine.batch_s)

    def broken(self, place: int, fault: EngineFault, ended: asyncio.Future[None]) -> None:
        """Begins to mend the engine of a place; see `Keeper.broken`."""
        (seat,) = (seat for seat in self._seats if place in seat.places)
        self._metrics.faults[fault].inc()
        if fault == "hung":
            self._room.used(seat.engine.engine, ended)
            self._lost.add(ended)
        seat.reopen = seat.reopen or fault != "failing"
        logger.error("%s: an engine %s", self._title, _WORDS[fault])
        if seat.fault is not None or self._closed:
            return
        if time.monotonic() - seat.mended_s > self._rules.steady_s:
            seat.tries = 0
        seat.fault = fault
        task = asyncio.create_task(self._mend(seat))
        self._mending.add(task)
        task.add_done_callback(self._mending.discard)

    def outage(self) -> NotReadyError:
        """The error while no engine works; see `Keeper.outage`."""
        next_s = min(seat.next_s for seat in self._seats)
        wait_s = math.ceil(max(1.0, next_s - time.monotonic()))
        trouble = self.trouble or "its engine is being mended"
        return NotReadyError(f"the model is not ready: {trouble}; come back later", wait_s)

    async def close(self) -> None:
        """Mends nothing any more, and closes the engines."""
        self._closed = True
        mending = set(self._mending)
        for task in mending:
            task.cancel()
        if mending:
            await asyncio.wait(mending)
        await self._room.close()

    async def _mend(self, seat: _Seat) -> None:
        """Tries until it succeeds; every failure makes the pause longer."""
        probes = 0
        at_once = seat.reopen and not seat.tries
        while True:
            pause_s = 0.0 if at_once else self._rules.pause_after(seat.tries)
            seat.next_s = time.monotonic() + pause_s
            await asyncio.sleep(pause_s)
            seat.tries += 1
            try:
                if not seat.reopen:
                    probes += 1
                    await self._room.check(seat.engine, self._bundle)
                # A thread that shares the engine may have been lost meanwhile.
                if seat.reopen:
                    await self._reopen(seat)
                else:
                    self._resume(seat)
            except Exception as error:
                at_once = not seat.reopen and probes >= self._rules.probes
                seat.reopen = seat.reopen or at_once or isinstance(error, EngineHungError)
                logger.error(
                    "%s: try %d to mend an engine failed: %s",
                    self._title,
                    seat.tries,
                    error if isinstance(error, TaktError) else type(error).__name__,
                    exc_info=None if isinstance(error, TaktError) else error,
                )
            else:
                break
        seat.fault, seat.reopen, seat.mended_s = None, False, time.monotonic()
        logger.warning("%s: an engine works again", self._title)

    async def _reopen(self, seat: _Seat) -> None:
        """Opens another engine; the old one is closed first where nobody is in it."""
        batcher, before, fault = self._batcher, seat.engine, seat.fault
        assert fault is not None
        if not any(batcher.works(place) for place in seat.places):
            await self._room.close_unless_used(before.engine)
        seat.engine = await self._room.open(self._bundle, before)
        self._metrics.restarts[fault].inc()
        for place in seat.places:
            ended = batcher.replace(place, self._runner(seat))
            if ended is not None:
                self._room.used(before.engine, ended)
        self._room.release(before.engine)

    def _resume(self, seat: _Seat) -> None:
        """Has the engine work again in the places where it was given up."""
        for place in seat.places:
            if not self._batcher.works(place):
                self._batcher.replace(place, self._runner(seat))

    def _runner(self, seat: _Seat) -> Run:
        return batch_runner(seat.engine.engine, self._bundle.golden.anomaly_map.shape[1:])
