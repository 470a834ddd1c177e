"""What runs on an engine's thread: jobs of callers, and what goes wrong with a batch."""

from __future__ import annotations

import asyncio
import functools
import threading
import weakref

import pytest

from takt.core.batching.batcher import Batcher
from takt.core.batching.options import BatcherOptions
from takt.core.batching.work import Done, RunOne
from takt.core.errors import (
    DeadlineExceededError,
    EngineDiedError,
    EngineError,
    InvalidImageError,
)
from tests.unit.service.core.batching.conftest import (
    CURSED,
    DEFAULTS,
    Gated,
    Recorder,
    batching,
    queued,
    reached,
    submit,
)


async def idle(batcher: Batcher[int, int], runners: int) -> None:
    await reached(lambda: batcher.idle_runners == runners)


async def test_a_foreign_exception_becomes_an_engine_error_that_leaks_nothing() -> None:
    async with batching(Gated()) as (batcher, _):
        with pytest.raises(EngineError) as caught:
            await batcher.submit(CURSED)
        assert "a secret" not in str(caught.value)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_a_runner_that_answers_too_few_results_fails_the_batch() -> None:
    async with batching(lambda items: []) as (batcher, _):
        with pytest.raises(EngineError, match="0 results came for 1"):
            await batcher.submit(1)


async def test_an_idle_engine_is_borrowed_and_its_thread_does_the_whole_job() -> None:
    async with batching(Gated()) as (batcher, recorder):
        await idle(batcher, 1)

        def job(run_one: RunOne[int, int]) -> tuple[str, Done[int]]:
            return threading.current_thread().name, run_one(21)

        thread, done = await batcher.run_job(job)
        assert thread == "batcher-0"
        assert (done.result, done.queue_s, recorder.sizes) == (42, 0.0, [1])


async def test_a_busy_engine_is_not_idle_and_what_waits_makes_none_idle() -> None:
    runners = Gated(), Gated()
    async with batching(*runners, max_batch_size=1) as (batcher, _):
        await idle(batcher, 2)
        for runner in runners:
            runner.gate.clear()
        tasks = submit(batcher, 0)
        await reached(lambda: sum(len(runner.batches) for runner in runners) == 1)
        await idle(batcher, 1)
        tasks += submit(batcher, 1, 2)
        await reached(lambda: sum(len(runner.batches) for runner in runners) == 2)
        await queued(batcher, 1)
        assert batcher.idle_runners == 0
        for runner in runners:
            runner.gate.set()
        await asyncio.gather(*tasks)


async def test_a_queue_delay_lends_no_engine() -> None:
    async with batching(Gated(), max_queue_delay_s=60) as (batcher, _):
        await reached(lambda: batcher._intake.idle == 1)
        assert batcher.idle_runners == 0


async def test_what_a_borrower_raises_is_its_own_and_the_engine_lives_on() -> None:
    async with batching(Gated()) as (batcher, recorder):
        await idle(batcher, 1)

        def damaged(_: RunOne[int, int]) -> None:
            raise InvalidImageError("no picture")

        with pytest.raises(InvalidImageError):
            await batcher.run_job(damaged)
        with pytest.raises(EngineError, match="failed on a batch: ZeroDivisionError"):
            await batcher.run_job(lambda run_one: run_one(CURSED))
        assert batcher.healthy
        assert (await batcher.submit(4)).result == 8
        assert recorder.sizes == [1, 1]


async def test_a_borrower_that_has_gone_before_its_turn_is_dropped() -> None:
    runner = Gated()
    async with batching(runner) as (batcher, recorder):
        runner.gate.clear()
        first = submit(batcher, 0)
        await runner.busy()
        gone = asyncio.create_task(batcher.run_job(lambda run_one: run_one(1)))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        runner.gate.set()
        await asyncio.gather(*first)
        assert (await batcher.submit(2)).result == 4
        assert runner.batches == [[0], [2]]
        assert recorder.dropped == 1


async def test_a_job_waits_for_its_turn_like_an_item_and_runs_alone() -> None:
    runner = Gated()
    async with batching(runner) as (batcher, _):
        runner.gate.clear()
        items = submit(batcher, 0)
        await runner.busy()
        items += submit(batcher, 1, 2)
        await queued(batcher, 2)
        job = asyncio.create_task(batcher.run_job(lambda run_one: run_one(3)))
        bulk = asyncio.create_task(batcher.run_job(lambda run_one: run_one(5), "bulk"))
        await queued(batcher, 4)
        items += submit(batcher, 4)
        await queued(batcher, 5)
        runner.gate.set()
        await asyncio.gather(*items, job, bulk)
        assert runner.batches == [[0], [1, 2], [3], [4], [5]]


async def test_a_job_whose_turn_comes_after_its_deadline_is_not_done() -> None:
    runner = Gated()
    async with batching(runner) as (batcher, recorder):
        runner.gate.clear()
        first = submit(batcher, 0)
        await runner.busy()
        late = asyncio.create_task(batcher.run_job(lambda run_one: run_one(1), deadline_s=0.0))
        await queued(batcher, 1)
        runner.gate.set()
        with pytest.raises(DeadlineExceededError):
            await late
        await asyncio.gather(*first)
        assert (runner.batches, recorder.dropped) == ([[0]], 1)


async def test_closing_does_the_jobs_that_were_accepted() -> None:
    runner = Gated()
    async with batching(runner) as (batcher, _):
        runner.gate.clear()
        first = submit(batcher, 0)
        await runner.busy()
        lent = asyncio.create_task(batcher.run_job(lambda run_one: run_one(1)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close(10))
        await asyncio.sleep(0)
        runner.gate.set()
        await closing
        assert (await lent).result == 2
        await asyncio.gather(*first)


async def test_an_engine_that_dies_on_a_borrowed_job_lets_nobody_hang() -> None:
    def die(items: list[int]) -> list[int]:
        raise SystemExit

    async with batching(die) as (batcher, _):
        await idle(batcher, 1)
        with pytest.raises(EngineDiedError, match="died"):
            await batcher.run_job(lambda run_one: run_one(1))
        assert not batcher.healthy


@pytest.mark.parametrize("lent", [False, True])
async def test_an_idle_runner_keeps_nothing_of_what_it_ran(lent: bool) -> None:
    class Picture:
        """An item that a weak reference can watch."""

    runners = [lambda items: [0 for _ in items]]
    batcher: Batcher[Picture, int] = Batcher(
        runners,
        BatcherOptions(**DEFAULTS),
        Recorder(),  # type: ignore[arg-type]
    )
    picture = Picture()
    seen = weakref.ref(picture)
    if lent:
        await batcher.run_job(functools.partial(_run_it, picture))
    else:
        await batcher.submit(picture)
    del picture
    await reached(lambda: batcher.idle_runners == 1 and seen() is None)
    await batcher.close(5)


def _run_it(item: object, run_one: RunOne[object, int]) -> int:
    return run_one(item).result
