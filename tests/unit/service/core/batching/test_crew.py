"""Runners that hang, die or fail, and what becomes of those who wait."""

from __future__ import annotations

import asyncio
import threading

import pytest

from takt.core.domain import DropReason
from takt.core.errors import (
    EngineDiedError,
    EngineError,
    EngineHungError,
    EngineMemoryError,
    NotReadyError,
)
from tests.unit.service.core.batching.conftest import (
    THIRTEEN,
    Gated,
    Recorder,
    Told,
    batching,
    queued,
    reached,
    submit,
)


def die(items: list[int]) -> list[int]:
    raise SystemExit


async def test_a_batch_that_never_ends_fails_its_callers_and_takes_its_runner_out() -> None:
    runner, told = Gated(), Told()
    async with batching(runner, keeper=told) as (batcher, _):
        runner.gate.clear()
        hung = submit(batcher, 0)
        await runner.busy()
        batcher.look(0.0)
        batcher.look(60.0)
        assert batcher.healthy
        batcher.look(60.1)
        with pytest.raises(EngineHungError, match="within 60 s and is replaced"):
            await hung[0]
        assert not batcher.healthy
        await reached(lambda: told.faults == [(0, "hung")])
        with pytest.raises(NotReadyError, match="no engine works") as refused:
            await batcher.submit(1)
        assert refused.value.headers == {"Retry-After": "7"}


async def test_a_job_that_never_ends_fails_its_caller() -> None:
    runner, told = Gated(), Told()
    async with batching(runner, keeper=told) as (batcher, _):
        runner.gate.clear()
        job = asyncio.create_task(batcher.run_job(lambda run_one: run_one(1)))
        await runner.busy()
        batcher.look(0.0)
        batcher.look(61.0)
        with pytest.raises(EngineHungError):
            await job


async def test_what_was_measured_bounds_a_batch() -> None:
    runner, told = Gated(), Told()
    async with batching(runner, keeper=told, max_batch_size=1) as (batcher, _):
        batcher.tell_times([(1, 2.0)])
        runner.gate.clear()
        hung = submit(batcher, 0)
        await runner.busy()
        batcher.look(0.0)
        batcher.look(20.0)
        assert batcher.healthy
        batcher.look(20.1)
        with pytest.raises(EngineHungError, match="20 s"):
            await hung[0]


async def test_batches_that_end_one_after_another_are_none_that_hangs() -> None:
    runner, told = Gated(), Told()
    async with batching(runner, keeper=told) as (batcher, _):
        for now_s in range(0, 1000, 50):
            runner.gate.clear()
            running = submit(batcher, 1)
            await runner.busy()
            batcher.look(float(now_s))
            runner.gate.set()
            await running[0]
        assert batcher.healthy


async def test_what_waits_behind_a_hung_runner_is_answered_by_the_next_one() -> None:
    hanging, told = Gated(), Told()
    async with batching(hanging, keeper=told, max_batch_size=1) as (batcher, recorder):
        hanging.gate.clear()
        hung, *waiting = submit(batcher, 0, 1, 2)
        await hanging.busy()
        await queued(batcher, 2)
        batcher.look(0.0)
        batcher.look(61.0)
        with pytest.raises(EngineHungError):
            await hung
        sound = Gated()
        batcher.replace(0, sound)
        assert [done.result for done in await asyncio.gather(*waiting)] == [2, 4]
        assert batcher.healthy
        # The lost thread comes back: it takes nothing more, and is not counted.
        hanging.gate.set()
        await told.ends[0]
        assert hanging.batches == [[0]]
        assert recorder.sizes == [1, 1]


async def test_callers_of_other_runners_are_served_on_while_one_hangs() -> None:
    runners, told = (Gated(), Gated()), Told()
    async with batching(*runners, keeper=told, max_batch_size=1) as (batcher, _):
        await reached(lambda: batcher.idle_runners == 2)
        for runner in runners:
            runner.gate.clear()
        both = submit(batcher, 0, 1)
        for runner in runners:
            await runner.busy()
        batcher.look(0.0)
        runners[1].gate.set()
        assert len((await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED))[0]) == 1
        batcher.look(61.0)
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(isinstance(one, EngineHungError) for one in outcomes) == [False, True]
        assert batcher.healthy
        assert batcher.working == 1
        assert (await batcher.submit(4)).result == 8


async def test_a_dead_thread_is_told_of_and_replaced_and_nothing_that_waits_is_lost() -> None:
    dying, told = threading.Event(), Told()

    def die_late(items: list[int]) -> list[int]:
        dying.wait(60)
        raise SystemExit

    async with batching(die_late, keeper=told, max_batch_size=1) as (batcher, _):
        inside, *waiting = submit(batcher, 0, 1, 2)
        await queued(batcher, 2)
        dying.set()
        with pytest.raises(EngineDiedError, match="died"):
            await inside
        await reached(lambda: told.faults == [(0, "died")])
        batcher.replace(0, Gated())
        assert [done.result for done in await asyncio.gather(*waiting)] == [2, 4]


async def test_without_a_keeper_what_waits_for_a_dead_thread_fails() -> None:
    dying = threading.Event()

    def die_late(items: list[int]) -> list[int]:
        dying.wait(60)
        raise SystemExit

    async with batching(die_late, max_batch_size=1) as (batcher, _):
        tasks = submit(batcher, 0, 1)
        await queued(batcher, 1)
        dying.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, EngineDiedError) for one in outcomes)


async def test_a_row_of_failed_batches_takes_the_runner_out_and_a_shorter_one_does_not() -> None:
    runner, told = Gated(), Told()
    async with batching(runner, keeper=told, max_batch_size=1) as (batcher, _):
        for item in [THIRTEEN] * 4 + [1] + [THIRTEEN] * 4:
            await asyncio.gather(batcher.submit(item), return_exceptions=True)
        assert batcher.healthy
        with pytest.raises(EngineError, match="thirteen"):
            await batcher.submit(THIRTEEN)
        await reached(lambda: told.faults == [(0, "failing")])
        assert not batcher.healthy
        # Its thread has ended in good order.
        await told.ends[0]
        batcher.replace(0, runner)
        assert (await batcher.submit(3)).result == 6


async def test_an_observer_that_raises_harms_no_batch_and_is_counted(caplog) -> None:
    class Raising(Recorder):
        def on_batch(self, size: int, run_s: float) -> None:
            raise ValueError("a broken counter")

        def on_dropped(self, reason: DropReason) -> None:
            raise ValueError("another")

    async with batching(Gated(), recorder=Raising()) as (batcher, recorder):
        assert [(await batcher.submit(part)).result for part in (1, 2, 3)] == [2, 4, 6]
        assert batcher.healthy
        assert recorder.errors == 3
        assert "a broken counter" in caplog.text


async def test_a_batch_that_finds_no_memory_runs_item_by_item() -> None:
    class Small(Gated):
        """Has memory for one item."""

        def __call__(self, items: list[int]) -> list[int]:
            results = super().__call__(items)
            if len(items) > 1:
                raise MemoryError
            return results

    runner, told = Small(), Told()
    async with batching(runner, keeper=told) as (batcher, recorder):
        for _ in range(9):
            done = await batcher.submit_parts([1, 2, 3])
            assert [one.result for one in done] == [2, 4, 6]
        assert batcher.healthy
        assert runner.batches[-4:] == [[1, 2, 3], [1], [2], [3]]
        assert recorder.sizes == [3] * 9


async def test_an_item_that_finds_no_memory_alone_gets_its_own_error() -> None:
    def full(items: list[int]) -> list[int]:
        raise MemoryError("a secret")

    async with batching(full) as (batcher, _):
        with pytest.raises(EngineMemoryError, match="not even alone") as caught:
            await batcher.submit(1)
        assert "a secret" not in str(caught.value)


async def test_closing_does_not_wait_for_a_hung_runner() -> None:
    runner, told = Gated(), Told()
    async with batching(runner, keeper=told, max_batch_size=1) as (batcher, _):
        runner.gate.clear()
        hung, waiting = submit(batcher, 0, 1)
        await runner.busy()
        batcher.look(0.0)
        batcher.look(61.0)
        async with asyncio.timeout(60):
            assert await batcher.close(drain_timeout_s=600)
        for task, error in ((hung, EngineHungError), (waiting, NotReadyError)):
            with pytest.raises(error):
                await task


async def test_what_still_runs_when_the_time_to_close_is_over_is_not_left_hanging() -> None:
    runner = Gated()
    async with batching(runner) as (batcher, _):
        runner.gate.clear()
        running = submit(batcher, 0)
        await runner.busy()
        assert not await batcher.close(drain_timeout_s=0)
        with pytest.raises(NotReadyError, match="closed before"):
            await running[0]


async def test_a_sound_runner_is_replaced_between_two_batches() -> None:
    first, second, told = Gated(), Gated(), Told()
    async with batching(first, keeper=told, max_batch_size=1) as (batcher, _):
        first.gate.clear()
        running, waiting = submit(batcher, 0, 1)
        await first.busy()
        ended = batcher.replace(0, second)
        assert (await waiting).result == 2
        first.gate.set()
        assert (await running).result == 0
        assert ended is not None
        await ended
        assert (first.batches, second.batches) == ([[0]], [[1]])
        assert batcher.working == 1
        assert told.faults == []
