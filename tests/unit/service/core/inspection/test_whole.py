"""Whole pictures: which thread decodes them, and what waits meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from unittest.mock import Mock

import numpy as np
import pytest

from takt.core.batching.batcher import Batcher
from takt.core.batching.memory import MemoryBudget
from takt.core.batching.options import BatcherOptions
from takt.core.bundles.bundle import Bundle
from takt.core.domain import Image, InspectOptions, ModelOutput
from takt.core.errors import InvalidImageError
from takt.core.inspection.inference import AdmittedPicture, Inference, Pools
from takt.core.inspection.weight import weigh
from takt.core.inspection.whole import WholePictures


class Engine:
    """Answers pictures, and waits at a gate while it is shut."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.gate = threading.Event()

    def __call__(self, images: list[Image]) -> list[ModelOutput]:
        self.threads.append(threading.current_thread().name)
        assert self.gate.wait(10)
        return [ModelOutput(np.zeros((4, 4), np.float32), 0.0) for _ in images]


class Line:
    """Pictures in front of engines, with the threads that decoded them."""

    def __init__(self, pictures: WholePictures, decoded_on: list[str]) -> None:
        self.pictures = pictures
        self.decoded_on = decoded_on
        self.memory = MemoryBudget()

    def send(self, data: bytes) -> asyncio.Task[Inference]:
        return asyncio.create_task(self._run(data))

    async def _run(self, data: bytes) -> Inference:
        options = InspectOptions(timeout_s=30.0)
        with self.memory.decoded() as room:
            return await self.pictures.run(
                AdmittedPicture(data, weigh(data, 100_000), options, 1e12, room)
            )


Open = Callable[..., AbstractAsyncContextManager[Line]]


@pytest.fixture
def line(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a line of one engine, which is shut."""
    from takt.core.inspection import whole

    decoded_on: list[str] = []
    prepare = whole.prepare

    def noted(*args: object, **named: object) -> object:
        decoded_on.append(threading.current_thread().name)
        return prepare(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(whole, "prepare", noted)

    @asynccontextmanager
    async def opened(engine: Engine, threads: int, max_batch_size: int) -> AsyncIterator[Line]:
        options = BatcherOptions(max_batch_size, 0.0, 256)
        batcher: Batcher[Image, ModelOutput] = Batcher([engine], options, Mock(), "engine")
        with ThreadPoolExecutor(threads, "preparing") as pool:
            pools = Pools(pool, pool, threads)
            yield Line(WholePictures(bundle.manifest, batcher, pools, 100_000), decoded_on)
            engine.gate.set()
            await batcher.close(5)

    return opened


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("threads", "max_batch_size", "where"),
    [(1, 1, "engine"), (1, 8, "preparing"), (2, 1, "preparing")],
    ids=["one_by_one", "in_batches", "fewer_engines_than_threads"],
)
async def test_what_waits_is_decoded_by_the_engines_where_other_threads_gain_nothing(
    line: Open, picture_bytes: Callable[..., bytes], threads: int, max_batch_size: int, where: str
) -> None:
    engine = Engine()
    async with line(engine, threads, max_batch_size) as it:
        first = it.send(picture_bytes())
        await until(lambda: len(engine.threads) == 1)
        others = [it.send(picture_bytes()) for _ in range(5)]
        await until(lambda: len(it.pictures.running.queue) + len(it.pictures.preparing) == 5)
        engine.gate.set()
        await asyncio.gather(first, *others)
    assert {name.split("-")[0].split("_")[0] for name in it.decoded_on[1:]} == {where}
    assert it.memory.in_use_bytes == 0


async def test_an_engine_that_takes_its_time_decodes_nothing_that_waits(
    line: Open, picture_bytes: Callable[..., bytes]
) -> None:
    engine = Engine()
    async with line(engine, 1, 1) as it:
        it.pictures.running.throughput.ran(1, run_s=0.1)
        first = it.send(picture_bytes())
        await until(lambda: len(engine.threads) == 1)
        others = [it.send(picture_bytes()) for _ in range(3)]
        await until(lambda: len(it.pictures.running.queue) + len(it.pictures.preparing) == 3)
        engine.gate.set()
        await asyncio.gather(first, *others)
    assert all(name.startswith("preparing") for name in it.decoded_on[1:])


async def test_a_damaged_picture_that_the_engine_decodes_fails_alone(
    line: Open, picture_bytes: Callable[..., bytes]
) -> None:
    engine, good = Engine(), picture_bytes()
    damaged = good[: len(good) // 2]
    async with line(engine, 1, 1) as it:
        sent = [it.send(good), it.send(damaged), it.send(good)]
        engine.gate.set()
        before, bad, after = await asyncio.gather(*sent, return_exceptions=True)
    assert isinstance(bad, InvalidImageError)
    assert isinstance(before, Inference)
    assert isinstance(after, Inference)


async def test_who_leaves_while_it_waits_is_never_decoded(
    line: Open, picture_bytes: Callable[..., bytes]
) -> None:
    engine = Engine()
    async with line(engine, 1, 1) as it:
        first = it.send(picture_bytes())
        await until(lambda: len(engine.threads) == 1)
        waiting = [it.send(picture_bytes()) for _ in range(4)]
        await until(lambda: len(it.pictures.running.queue) + len(it.pictures.preparing) == 4)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert len(it.pictures.running.queue) + len(it.pictures.preparing) == 0
        engine.gate.set()
        await first
    assert len(it.decoded_on) == 1
    assert it.memory.in_use_bytes == 0
