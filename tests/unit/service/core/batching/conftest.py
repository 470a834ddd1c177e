"""A batcher of numbers before runners that wait at a gate."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from takt.core.batching.admission import Admission
from takt.core.batching.batcher import Batcher
from takt.core.batching.options import BatcherOptions
from takt.core.batching.stage import Stage
from takt.core.batching.watch import RunLimits
from takt.core.batching.work import Done
from takt.core.batching.worker import Keeper
from takt.core.domain import DropReason, EngineFault, Priority
from takt.core.errors import EngineError, NotReadyError

DEFAULTS = {"max_batch_size": 8, "max_queue_delay_s": 0.0, "max_queue_size": 256}
THIRTEEN, CURSED = 1300, 66600


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.dropped = 0
        self.errors = 0

    def on_batch(self, size: int, run_s: float) -> None:
        self.sizes.append(size)

    def on_dropped(self, reason: DropReason) -> None:
        self.dropped += 1

    def on_error(self) -> None:
        self.errors += 1


class Gated:
    """A runner that doubles numbers, waits at a gate while it is shut, and fails on two numbers."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.entered.release()
        assert self.gate.wait(60)
        if THIRTEEN in items:
            raise EngineError("thirteen")
        if CURSED in items:
            raise ZeroDivisionError("a secret")
        return [2 * item for item in items]

    async def busy(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=60)


class Told:
    """A keeper that remembers what it is told, and mends nothing."""

    def __init__(self) -> None:
        self.faults: list[tuple[int, str]] = []
        self.ends: list[asyncio.Future[None]] = []

    def broken(self, place: int, fault: EngineFault, ended: asyncio.Future[None]) -> None:
        self.faults.append((place, fault))
        self.ends.append(ended)

    def outage(self) -> NotReadyError:
        return NotReadyError("no engine works", 7)


@asynccontextmanager
async def batching(
    *runners: Callable[[list[int]], Sequence[int]],
    keeper: Keeper | None = None,
    recorder: Recorder | None = None,
    **options: object,
) -> AsyncIterator[tuple[Batcher[int, int], Recorder]]:
    recorder = recorder or Recorder()
    chosen = BatcherOptions(**DEFAULTS | options)  # type: ignore[arg-type]
    # It looks at its runners only when a test says so.
    limits = RunLimits(look_every_s=1e6)
    batcher: Batcher[int, int] = Batcher(runners, chosen, recorder, keeper=keeper, limits=limits)
    try:
        yield batcher, recorder
    finally:
        for runner in runners:
            if isinstance(runner, Gated):
                runner.gate.set()
        await batcher.close(5)


def submit(
    batcher: Batcher[int, int], *items: int, priority: Priority = "line"
) -> list[asyncio.Task[Done[int]]]:
    return [asyncio.create_task(batcher.submit(item, priority)) for item in items]


def admission_to(batcher: Batcher[int, int]) -> Admission:
    """Refuses items by what waits in a batcher."""
    most = batcher.options.max_queue_size
    return Admission(most, Stage(), Stage(), batcher.stage, Stage())


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


async def queued(batcher: Batcher[int, int], depth: int) -> None:
    await reached(lambda: len(batcher.stage.queue) == depth)
