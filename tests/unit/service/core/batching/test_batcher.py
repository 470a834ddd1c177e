from __future__ import annotations

import asyncio
import math
import time

import pytest

from takt.core.errors import DeadlineExceededError, EngineDiedError, EngineError, NotReadyError
from tests.unit.service.core.batching.conftest import (
    THIRTEEN,
    Gated,
    batching,
    queued,
    reached,
    submit,
)


async def test_each_caller_gets_its_own_result() -> None:
    async with batching(Gated()) as (batcher, _):
        done = await asyncio.gather(*(batcher.submit(i) for i in range(100)))
        assert [d.result for d in done] == [2 * i for i in range(100)]


async def test_a_lone_item_runs_alone_and_at_once() -> None:
    async with batching(Gated()) as (batcher, recorder):
        done = await batcher.submit(1)
        assert (done.result, recorder.sizes) == (2, [1])
        assert done.queue_s >= 0
        assert done.run_s >= 0


async def test_a_batch_forms_from_what_waits_while_the_engine_is_busy() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=4) as (batcher, recorder):
        runner.gate.clear()
        first = submit(batcher, 0)
        await runner.busy()
        rest = submit(batcher, 1, 2, 3, 4, 5, 6)
        await queued(batcher, 6)
        runner.gate.set()
        await asyncio.gather(*first, *rest)
        assert recorder.sizes == [1, 4, 2]
        assert runner.batches == [[0], [1, 2, 3, 4], [5, 6]]


async def test_idle_engines_share_the_queue() -> None:
    runners = Gated(), Gated()
    async with batching(*runners, max_batch_size=8) as (batcher, _):
        for runner in runners:
            runner.gate.clear()
        await reached(lambda: batcher.idle_runners == 2)
        with batcher._intake.changed:  # no runner may look before all eight are there
            tasks = submit(batcher, *range(8))
            await queued(batcher, 8)
        for runner in runners:
            await runner.busy()
        for runner in runners:
            runner.gate.set()
        await asyncio.gather(*tasks)
        assert sorted(len(batch) for r in runners for batch in r.batches) == [4, 4]


async def test_a_failed_batch_fails_only_its_own_callers() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=2) as (batcher, _):
        runner.gate.clear()
        first = submit(batcher, 0)
        await runner.busy()
        rest = submit(batcher, THIRTEEN, 1, 2, 3)
        await queued(batcher, 4)
        runner.gate.set()
        answers = await asyncio.gather(*first, *rest, return_exceptions=True)
        assert [isinstance(a, EngineError) for a in answers] == [
            False,
            True,
            True,
            False,
            False,
        ]
        assert batcher.healthy
        assert (await batcher.submit(4)).result == 8


async def test_an_item_whose_caller_has_gone_never_reaches_the_engine() -> None:
    runner = Gated()
    async with batching(runner) as (batcher, recorder):
        runner.gate.clear()
        tasks = submit(batcher, 0)
        await runner.busy()
        gone, kept = submit(batcher, 1, 2)
        await queued(batcher, 2)
        gone.cancel()
        await queued(batcher, 1)
        runner.gate.set()
        assert (await kept).result == 4
        await asyncio.gather(*tasks)
        assert runner.batches == [[0], [2]]
        assert recorder.dropped == 1


async def test_a_caller_that_goes_while_its_batch_runs_disturbs_nobody() -> None:
    runner = Gated()
    async with batching(runner) as (batcher, _):
        runner.gate.clear()
        (task,) = submit(batcher, 0)
        await runner.busy()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        runner.gate.set()
        assert (await batcher.submit(1)).result == 2


async def test_a_queue_delay_fills_the_batch_and_ends_when_it_is_full() -> None:
    async with batching(Gated(), max_batch_size=3, max_queue_delay_s=60) as (batcher, recorder):
        await asyncio.gather(*submit(batcher, 0, 1, 2))
        assert recorder.sizes == [3]


async def test_a_queue_delay_that_has_passed_runs_what_is_there() -> None:
    options = {"max_batch_size": 8, "max_queue_delay_s": 0.01}
    async with batching(Gated(), **options) as (batcher, recorder):
        done = await batcher.submit(1)
        assert recorder.sizes == [1]
        assert done.queue_s >= 0.01


async def test_closing_answers_what_was_accepted_and_refuses_the_rest() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=1) as (batcher, _):
        runner.gate.clear()
        tasks = submit(batcher, 0, 1, 2)
        await runner.busy()
        await queued(batcher, 2)
        closing = asyncio.create_task(batcher.close(10))
        await asyncio.sleep(0)
        with pytest.raises(NotReadyError, match="closing"):
            await batcher.submit(3)
        runner.gate.set()
        await closing
        assert [d.result for d in await asyncio.gather(*tasks)] == [0, 2, 4]
        assert not batcher.healthy


async def test_what_cannot_be_drained_in_time_fails_instead_of_hanging() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=1) as (batcher, _):
        runner.gate.clear()
        _running, waiting = submit(batcher, 0, 1)
        await runner.busy()
        await batcher.close(drain_timeout_s=0)
        with pytest.raises(NotReadyError, match="closed before"):
            await waiting


async def test_a_dead_engine_thread_is_not_healthy_and_lets_nobody_hang() -> None:
    def die(items: list[int]) -> list[int]:
        raise SystemExit

    async with batching(die) as (batcher, _):
        with pytest.raises(EngineDiedError, match="died"):
            await batcher.submit(1)
        assert not batcher.healthy
        with pytest.raises(NotReadyError, match="died"):
            await batcher.submit(2)


async def test_the_line_runs_before_the_bulk() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=1) as (batcher, _):
        runner.gate.clear()
        first = submit(batcher, 0)
        await runner.busy()
        bulk = [asyncio.create_task(batcher.submit(i, "bulk")) for i in (1, 2)]
        await queued(batcher, 2)
        line = submit(batcher, 3, 4)
        await queued(batcher, 4)
        runner.gate.set()
        await asyncio.gather(*first, *bulk, *line)
        assert runner.batches == [[0], [3], [4], [1], [2]]


async def test_a_batch_is_cut_to_a_preferred_size() -> None:
    runner = Gated()
    options = {"max_batch_size": 8, "preferred_batch_sizes": (2, 4)}
    async with batching(runner, **options) as (batcher, recorder):
        runner.gate.clear()
        first = submit(batcher, 0)
        await runner.busy()
        rest = submit(batcher, *range(1, 8))
        await queued(batcher, 7)
        runner.gate.set()
        await asyncio.gather(*first, *rest)
        assert recorder.sizes == [1, 4, 2, 1]


async def test_an_item_whose_deadline_has_passed_fails_and_never_reaches_the_engine() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=2) as (batcher, recorder):
        runner.gate.clear()
        first = submit(batcher, 0)
        await runner.busy()
        late = asyncio.create_task(batcher.submit(1, deadline_s=time.monotonic()))
        rest = submit(batcher, 2, 3)
        await queued(batcher, 3)
        runner.gate.set()
        with pytest.raises(DeadlineExceededError):
            await late
        await asyncio.gather(*first, *rest)
        assert runner.batches == [[0], [2, 3]]
        assert recorder.dropped == 1


async def test_items_that_have_all_expired_make_no_batch() -> None:
    runner = Gated()
    async with batching(runner) as (batcher, _):
        with pytest.raises(DeadlineExceededError):
            await batcher.submit(1, deadline_s=-math.inf)
        assert (await batcher.submit(2)).result == 4
        assert runner.batches == [[2]]


async def test_no_batch_is_waited_for_beyond_a_deadline() -> None:
    async with batching(Gated(), max_queue_delay_s=3600) as (batcher, recorder):
        deadline_s = time.monotonic() + 60
        batcher.stage.throughput.ran(1, 100.0)
        assert (await batcher.submit(1, deadline_s=deadline_s)).result == 2
        assert recorder.sizes == [1]
