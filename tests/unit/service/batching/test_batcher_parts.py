"""Parts of a whole in the batcher; what else it does is in test_batcher.py."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from service.batching.batcher import Batcher, BatcherOptions
from service.domain import DropReason
from service.errors import DeadlineExceededError, EngineError, NotReadyError, QueueFullError


class Gated:
    """A runner that doubles numbers, waits at a gate while it is shut, and fails on 13."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.entered.release()
        assert self.gate.wait(10)
        if 13 in items:
            raise EngineError("thirteen")
        return [2 * item for item in items]

    async def busy(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=10)


class Dropped:
    def __init__(self) -> None:
        self.count = 0

    def on_batch(self, size: int, run_s: float) -> None:
        pass

    def on_dropped(self, reason: DropReason) -> None:
        self.count += 1


@asynccontextmanager
async def batching(
    *runners: Gated, max_queue_size: int = 256
) -> AsyncIterator[tuple[Batcher[int, int], Dropped]]:
    dropped = Dropped()
    options = BatcherOptions(max_batch_size=4, max_queue_delay_s=0.0, max_queue_size=max_queue_size)
    batcher: Batcher[int, int] = Batcher(runners, options, dropped)
    try:
        yield batcher, dropped
    finally:
        for runner in runners:
            runner.gate.set()
        await batcher.close(5)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


def test_parts_fill_batches_and_their_results_come_in_order() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner) as (batcher, _):
            done = await batcher.submit_parts(range(1, 11))
            assert [one.result for one in done] == [2 * part for part in range(1, 11)]
            assert [len(batch) for batch in runner.batches] == [4, 4, 2]

    run(test)


def test_idle_runners_share_the_parts() -> None:
    async def test() -> None:
        runners = Gated(), Gated()
        async with batching(*runners) as (batcher, _):
            for runner in runners:
                runner.gate.clear()
            both = asyncio.create_task(batcher.submit_parts([1, 2, 3, 4]))
            for runner in runners:
                await runner.busy()
            for runner in runners:
                runner.gate.set()
            await both
            assert [runner.batches for runner in runners] in (
                [[[1, 2]], [[3, 4]]],
                [[[3, 4]], [[1, 2]]],
            )

    run(test)


def test_parts_are_not_bound_by_the_queue_but_others_behind_them_are() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner, max_queue_size=3) as (batcher, _):
            runner.gate.clear()
            whole = asyncio.create_task(batcher.submit_parts(range(20, 30)))
            await runner.busy()
            with pytest.raises(QueueFullError):
                batcher.admit()
            runner.gate.set()
            assert len(await whole) == 10

    run(test)


def test_if_a_part_fails_those_that_wait_are_taken_out() -> None:
    async def test() -> None:
        held = threading.Event()

        class Holding(Gated):
            """Holds whatever comes after the batch that fails."""

            def __call__(self, items: list[int]) -> list[int]:
                if any(13 in batch for batch in self.batches):
                    assert held.wait(10)
                return super().__call__(items)

        async with batching(Holding()) as (batcher, dropped):
            try:
                with pytest.raises(EngineError, match="thirteen"):
                    await batcher.submit_parts([13, *range(20, 39)])
                # One batch may have been taken before anybody knew.
                assert dropped.count >= 20 - 2 * 4
                assert batcher.depth == 0
            finally:
                held.set()

    run(test)


def test_cancelling_takes_out_the_parts_that_wait() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner) as (batcher, dropped):
            runner.gate.clear()
            whole = asyncio.create_task(batcher.submit_parts(range(20, 30)))
            await runner.busy()
            whole.cancel()
            with pytest.raises(asyncio.CancelledError):
                await whole
            assert (batcher.depth, dropped.count) == (0, 6)

    run(test)


def test_parts_that_come_too_late_do_not_run() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner) as (batcher, dropped):
            with pytest.raises(DeadlineExceededError):
                await batcher.submit_parts([1, 2], deadline_s=0.0)
            assert (runner.batches, dropped.count) == ([], 2)

    run(test)


def test_a_closed_batcher_takes_no_parts() -> None:
    async def test() -> None:
        async with batching(Gated()) as (batcher, _):
            await batcher.close(5)
            with pytest.raises(NotReadyError):
                await batcher.submit_parts([1])

    run(test)
