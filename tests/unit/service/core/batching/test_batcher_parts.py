"""Parts of a whole in the batcher."""

from __future__ import annotations

import asyncio
import math
import threading

import pytest

from takt.core.errors import DeadlineExceededError, EngineError, NotReadyError, QueueFullError
from tests.unit.service.core.batching.conftest import THIRTEEN, Gated, admission_to, batching


async def test_parts_fill_batches_and_their_results_come_in_order() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=4) as (batcher, _):
        done = await batcher.submit_parts(range(1, 11))
        assert [one.result for one in done] == [2 * part for part in range(1, 11)]
        assert [len(batch) for batch in runner.batches] == [4, 4, 2]


async def test_idle_runners_share_the_parts() -> None:
    runners = Gated(), Gated()
    async with batching(*runners, max_batch_size=4) as (batcher, _):
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


async def test_parts_are_not_bound_by_the_queue_but_others_behind_them_are() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=4, max_queue_size=3) as (batcher, _):
        runner.gate.clear()
        whole = asyncio.create_task(batcher.submit_parts(range(20, 30)))
        await runner.busy()
        with pytest.raises(QueueFullError):
            admission_to(batcher).check("line", math.inf)
        runner.gate.set()
        assert len(await whole) == 10


async def test_if_a_part_fails_those_that_wait_are_taken_out() -> None:
    held = threading.Event()

    class Holding(Gated):
        """Holds whatever comes after the batch that fails."""

        def __call__(self, items: list[int]) -> list[int]:
            if any(THIRTEEN in batch for batch in self.batches):
                assert held.wait(60)
            return super().__call__(items)

    async with batching(Holding(), max_batch_size=4) as (batcher, recorder):
        try:
            with pytest.raises(EngineError, match="thirteen"):
                await batcher.submit_parts([THIRTEEN, *range(20, 39)])
            # One batch may have been taken before anybody knew.
            assert recorder.dropped >= 20 - 2 * 4
            assert len(batcher.stage.queue) == 0
        finally:
            held.set()


async def test_cancelling_takes_out_the_parts_that_wait() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=4) as (batcher, recorder):
        runner.gate.clear()
        whole = asyncio.create_task(batcher.submit_parts(range(20, 30)))
        await runner.busy()
        whole.cancel()
        with pytest.raises(asyncio.CancelledError):
            await whole
        assert (len(batcher.stage.queue), recorder.dropped) == (0, 6)


async def test_parts_that_come_too_late_do_not_run() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=4) as (batcher, recorder):
        with pytest.raises(DeadlineExceededError):
            await batcher.submit_parts([1, 2], deadline_s=0.0)
        assert (runner.batches, recorder.dropped) == ([], 2)


async def test_a_closed_batcher_takes_no_parts() -> None:
    async with batching(Gated(), max_batch_size=4) as (batcher, _):
        await batcher.close(5)
        with pytest.raises(NotReadyError):
            await batcher.submit_parts([1])
