import asyncio
import functools
import math
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from service.batching.admission import Backlog
from service.batching.batcher import Batcher, BatcherOptions
from service.batching.items import Done, RunOne
from service.domain import DropReason
from service.errors import (
    DeadlineExceededError,
    EngineError,
    InvalidImageError,
    NotReadyError,
    QueueFullError,
)

DEFAULTS = {"max_batch_size": 8, "max_queue_delay_s": 0.0, "max_queue_size": 256}
THIRTEEN, CURSED = 1300, 66600


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.dropped = 0

    def on_batch(self, size: int, run_s: float) -> None:
        self.sizes.append(size)

    def on_dropped(self, reason: DropReason) -> None:
        self.dropped += 1


class Gated:
    """A runner that doubles numbers, and waits at a gate while it is shut."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.entered.release()
        assert self.gate.wait(10)
        if THIRTEEN in items:
            raise EngineError("thirteen")
        if CURSED in items:
            raise ZeroDivisionError("a secret")
        return [2 * item for item in items]

    async def busy(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=10)


@asynccontextmanager
async def batching(
    *runners: Callable[[list[int]], Sequence[int]], **options: object
) -> AsyncIterator[tuple[Batcher[int, int], Recorder]]:
    recorder = Recorder()
    batcher: Batcher[int, int] = Batcher(runners, BatcherOptions(**DEFAULTS | options), recorder)  # type: ignore[arg-type]
    try:
        yield batcher, recorder
    finally:
        for runner in runners:
            if isinstance(runner, Gated):
                runner.gate.set()
        await batcher.close(5)


def submit(batcher: Batcher[int, int], *items: int) -> list[asyncio.Task[Done[int]]]:
    return [asyncio.create_task(batcher.submit(item)) for item in items]


async def queued(batcher: Batcher[int, int], depth: int) -> None:
    async with asyncio.timeout(10):
        while batcher.depth != depth:
            await asyncio.sleep(0)


def run(test: Callable[[], object]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))  # type: ignore[arg-type]


def test_each_caller_gets_its_own_result() -> None:
    async def test() -> None:
        async with batching(Gated()) as (batcher, _):
            done = await asyncio.gather(*(batcher.submit(i) for i in range(100)))
            assert [d.result for d in done] == [2 * i for i in range(100)]

    run(test)


def test_a_lone_item_runs_alone_and_at_once() -> None:
    async def test() -> None:
        async with batching(Gated()) as (batcher, recorder):
            done = await batcher.submit(1)
            assert (done.result, recorder.sizes) == (2, [1])
            assert done.queue_s >= 0
            assert done.run_s >= 0

    run(test)


def test_a_batch_forms_from_what_waits_while_the_engine_is_busy() -> None:
    async def test() -> None:
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

    run(test)


def test_idle_engines_share_the_queue() -> None:
    async def test() -> None:
        runners = Gated(), Gated()
        async with batching(*runners, max_batch_size=8) as (batcher, _):
            for runner in runners:
                runner.gate.clear()
            with batcher._changed:  # no runner may look before all eight are there
                tasks = submit(batcher, *range(8))
                await queued(batcher, 8)
            for runner in runners:
                await runner.busy()
            for runner in runners:
                runner.gate.set()
            await asyncio.gather(*tasks)
            assert sorted(len(batch) for r in runners for batch in r.batches) == [4, 4]

    run(test)


def test_a_failed_batch_fails_only_its_own_callers() -> None:
    async def test() -> None:
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

    run(test)


def test_a_foreign_exception_becomes_an_engine_error_that_leaks_nothing() -> None:
    async def test() -> None:
        async with batching(Gated()) as (batcher, _):
            with pytest.raises(EngineError) as caught:
                await batcher.submit(CURSED)
            assert "a secret" not in str(caught.value)
            assert isinstance(caught.value.__cause__, ZeroDivisionError)

    run(test)


def test_a_runner_that_answers_too_few_results_fails_the_batch() -> None:
    async def test() -> None:
        async with batching(lambda items: []) as (batcher, _):
            with pytest.raises(EngineError, match="0 results came for 1"):
                await batcher.submit(1)

    run(test)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner, max_queue_size=2, max_batch_size=1) as (batcher, _):
            runner.gate.clear()
            tasks = submit(batcher, 0)
            await runner.busy()
            tasks += submit(batcher, 1, 2)
            await queued(batcher, 2)
            with pytest.raises(QueueFullError) as caught:
                batcher.admit()
            assert int(caught.value.headers["Retry-After"]) >= 1
            runner.gate.set()
            assert [d.result for d in await asyncio.gather(*tasks)] == [0, 2, 4]

    run(test)


def test_items_on_their_way_count_as_waiting() -> None:
    async def test() -> None:
        async with batching(Gated(), max_queue_size=2) as (batcher, _):
            batcher.admit(Backlog(held=1))
            with pytest.raises(QueueFullError):
                batcher.admit(Backlog(held=2))

    run(test)


def test_an_item_whose_caller_has_gone_never_reaches_the_engine() -> None:
    async def test() -> None:
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

    run(test)


def test_a_caller_that_goes_while_its_batch_runs_disturbs_nobody() -> None:
    async def test() -> None:
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

    run(test)


def test_a_queue_delay_fills_the_batch_and_ends_when_it_is_full() -> None:
    async def test() -> None:
        async with batching(Gated(), max_batch_size=3, max_queue_delay_s=60) as (batcher, recorder):
            await asyncio.gather(*submit(batcher, 0, 1, 2))
            assert recorder.sizes == [3]

    run(test)


def test_a_queue_delay_that_has_passed_runs_what_is_there() -> None:
    async def test() -> None:
        options = {"max_batch_size": 8, "max_queue_delay_s": 0.01}
        async with batching(Gated(), **options) as (batcher, recorder):
            done = await batcher.submit(1)
            assert recorder.sizes == [1]
            assert done.queue_s >= 0.01

    run(test)


def test_closing_answers_what_was_accepted_and_refuses_the_rest() -> None:
    async def test() -> None:
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

    run(test)


def test_what_cannot_be_drained_in_time_fails_instead_of_hanging() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner, max_batch_size=1) as (batcher, _):
            runner.gate.clear()
            _running, waiting = submit(batcher, 0, 1)
            await runner.busy()
            await batcher.close(drain_timeout_s=0)
            with pytest.raises(NotReadyError, match="closed before"):
                await waiting

    run(test)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_engine_thread_is_not_healthy_and_lets_nobody_hang() -> None:
    def die(items: list[int]) -> list[int]:
        raise SystemExit

    async def test() -> None:
        async with batching(die) as (batcher, _):
            with pytest.raises(EngineError, match="died"):
                await batcher.submit(1)
            assert not batcher.healthy
            with pytest.raises(NotReadyError, match="died"):
                await batcher.submit(2)

    run(test)


def test_the_line_runs_before_the_bulk() -> None:
    async def test() -> None:
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

    run(test)


def test_the_bulk_may_fill_half_of_the_queue() -> None:
    async def test() -> None:
        async with batching(Gated(), max_queue_size=5) as (batcher, _):
            batcher.admit(Backlog(held=2), "bulk")
            with pytest.raises(QueueFullError):
                batcher.admit(Backlog(held=3), "bulk")
            batcher.admit(Backlog(held=4), "line")

    run(test)


def test_a_batch_is_cut_to_a_preferred_size() -> None:
    async def test() -> None:
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

    run(test)


def test_an_item_whose_deadline_has_passed_fails_and_never_reaches_the_engine() -> None:
    async def test() -> None:
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

    run(test)


def test_items_that_have_all_expired_make_no_batch() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner) as (batcher, _):
            with pytest.raises(DeadlineExceededError):
                await batcher.submit(1, deadline_s=-math.inf)
            assert (await batcher.submit(2)).result == 4
            assert runner.batches == [[2]]

    run(test)


def test_what_would_wait_longer_than_its_timeout_is_refused_at_once() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner, max_batch_size=1) as (batcher, _):
            batcher._admission.pace.ran(1, 10.0)
            batcher.admit(timeout_s=1.0)
            batcher.admit(Backlog(3, 3), timeout_s=60.0)
            with pytest.raises(QueueFullError, match=r"40000 ms, more than the 30000 ms") as caught:
                batcher.admit(Backlog(3, 3), timeout_s=30.0)
            assert caught.value.headers == {"Retry-After": "10"}

    run(test)


def test_an_idle_engine_is_borrowed_and_its_thread_does_the_whole_job() -> None:
    async def test() -> None:
        async with batching(Gated()) as (batcher, recorder):
            await idle(batcher, 1)

            def job(run_one: RunOne[int, int]) -> tuple[str, Done[int]]:
                return threading.current_thread().name, run_one(21)

            thread, done = await batcher.alone(job)
            assert thread == "batcher-0"
            assert (done.result, done.queue_s, recorder.sizes) == (42, 0.0, [1])

    run(test)


def test_a_busy_engine_is_not_idle_and_what_waits_makes_none_idle() -> None:
    async def test() -> None:
        runners = Gated(), Gated()
        async with batching(*runners, max_batch_size=1) as (batcher, _):
            await idle(batcher, 2)
            for runner in runners:
                runner.gate.clear()
            tasks = submit(batcher, 0)
            await asyncio.sleep(0)
            await idle(batcher, 1)
            tasks += submit(batcher, 1, 2)
            await queued(batcher, 1)
            assert batcher.idle == 0
            for runner in runners:
                runner.gate.set()
            await asyncio.gather(*tasks)

    run(test)


def test_a_queue_delay_lends_no_engine() -> None:
    async def test() -> None:
        async with batching(Gated(), max_queue_delay_s=60) as (batcher, _):
            async with asyncio.timeout(10):
                while batcher._idle != 1:
                    await asyncio.sleep(0)
            assert batcher.idle == 0

    run(test)


def test_what_a_borrower_raises_is_its_own_and_the_engine_lives_on() -> None:
    async def test() -> None:
        async with batching(Gated()) as (batcher, recorder):
            await idle(batcher, 1)

            def damaged(_: RunOne[int, int]) -> None:
                raise InvalidImageError("no picture")

            with pytest.raises(InvalidImageError):
                await batcher.alone(damaged)
            with pytest.raises(EngineError, match="failed on a batch: ZeroDivisionError"):
                await batcher.alone(lambda run_one: run_one(CURSED))
            assert batcher.healthy
            assert (await batcher.submit(4)).result == 8
            assert recorder.sizes == [1, 1]

    run(test)


def test_a_borrower_that_has_gone_before_its_turn_is_dropped() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner) as (batcher, recorder):
            runner.gate.clear()
            first = submit(batcher, 0)
            await runner.busy()
            gone = asyncio.create_task(batcher.alone(lambda run_one: run_one(1)))
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            runner.gate.set()
            await asyncio.gather(*first)
            assert (await batcher.submit(2)).result == 4
            assert runner.batches == [[0], [2]]
            assert recorder.dropped == 1

    run(test)


def test_closing_does_the_jobs_that_were_accepted() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner) as (batcher, _):
            runner.gate.clear()
            first = submit(batcher, 0)
            await runner.busy()
            lent = asyncio.create_task(batcher.alone(lambda run_one: run_one(1)))
            await asyncio.sleep(0)
            closing = asyncio.create_task(batcher.close(10))
            await asyncio.sleep(0)
            runner.gate.set()
            await closing
            assert (await lent).result == 2
            await asyncio.gather(*first)

    run(test)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_that_dies_on_a_borrowed_job_lets_nobody_hang() -> None:
    def die(items: list[int]) -> list[int]:
        raise SystemExit

    async def test() -> None:
        async with batching(die) as (batcher, _):
            await idle(batcher, 1)
            with pytest.raises(EngineError, match="died"):
                await batcher.alone(lambda run_one: run_one(1))
            assert not batcher.healthy

    run(test)


async def idle(batcher: Batcher[int, int], runners: int) -> None:
    async with asyncio.timeout(10):
        while batcher.idle != runners:
            await asyncio.sleep(0)


def test_what_was_admitted_keeps_its_place_however_many_come_meanwhile() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner, max_queue_size=2, max_batch_size=1) as (batcher, _):
            runner.gate.clear()
            tasks = submit(batcher, 0)
            await runner.busy()
            batcher.admit(priority="bulk")
            tasks += submit(batcher, 1, 2)
            await queued(batcher, 2)
            late = asyncio.create_task(batcher.submit(3, "bulk"))
            await queued(batcher, 3)
            runner.gate.set()
            assert [d.result for d in await asyncio.gather(*tasks, late)] == [0, 2, 4, 6]

    run(test)


def test_the_line_is_not_refused_because_of_the_bulk_that_it_overtakes() -> None:
    async def test() -> None:
        runner = Gated()
        async with batching(runner, max_batch_size=1) as (batcher, _):
            runner.gate.clear()
            first = submit(batcher, 0)
            await runner.busy()
            bulk = [asyncio.create_task(batcher.submit(i, "bulk")) for i in range(1, 6)]
            await queued(batcher, 5)
            batcher._admission.pace.ran(1, 10.0)
            batcher.admit(priority="line", timeout_s=5.0)
            with pytest.raises(QueueFullError):
                batcher.admit(priority="bulk", timeout_s=5.0)
            runner.gate.set()
            await asyncio.gather(*first, *bulk)

    run(test)


def test_no_batch_is_waited_for_beyond_a_deadline() -> None:
    async def test() -> None:
        async with batching(Gated(), max_queue_delay_s=3600) as (batcher, recorder):
            deadline_s = time.monotonic() + 0.02
            batcher._admission.pace.ran(1, 10.0)
            assert (await batcher.submit(1, deadline_s=deadline_s)).result == 2
            assert recorder.sizes == [1]

    run(test)


@pytest.mark.parametrize("lent", [False, True])
def test_an_idle_runner_keeps_nothing_of_what_it_ran(lent: bool) -> None:
    class Picture:
        """An item that a weak reference can watch."""

    async def test() -> None:
        runners = [lambda items: [0 for _ in items]]
        batcher: Batcher[Picture, int] = Batcher(
            runners,
            BatcherOptions(**DEFAULTS),
            Recorder(),  # type: ignore[arg-type]
        )
        picture = Picture()
        seen = weakref.ref(picture)
        if lent:
            await batcher.alone(functools.partial(_run_it, picture))
        else:
            await batcher.submit(picture)
        del picture
        async with asyncio.timeout(10):
            while batcher.idle != 1 or seen() is not None:
                await asyncio.sleep(0)
        await batcher.close(5)

    run(test)


def _run_it(item: object, run_one: RunOne[object, int]) -> int:
    return run_one(item).result
