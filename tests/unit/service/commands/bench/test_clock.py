import asyncio

import pytest

from takt.commands.bench.clock import LoadClock, LoopClock, precise_clock


@pytest.fixture(params=["precise", "loop"])
def run(request: pytest.FixtureRequest):
    def go(body) -> None:
        if request.param == "loop":
            asyncio.run(body(LoopClock()))
            return
        with precise_clock() as clock:
            asyncio.run(body(clock))

    return go


def test_it_never_wakes_early(run) -> None:
    async def body(clock: LoadClock) -> None:
        for _ in range(3):
            at_s = clock.now_s() + 0.002
            await clock.sleep_until(at_s)
            assert clock.now_s() >= at_s

    run(body)


def test_a_moment_that_has_passed_is_not_waited_for(run) -> None:
    async def body(clock: LoadClock) -> None:
        sleeping = asyncio.create_task(clock.sleep_until(clock.now_s() - 5))
        await asyncio.wait({sleeping}, timeout=10)
        assert sleeping.done()

    run(body)


def test_a_sleep_that_was_cancelled_leaves_the_clock_fit_for_the_next(run) -> None:
    async def body(clock: LoadClock) -> None:
        sleeping = asyncio.create_task(clock.sleep_until(clock.now_s() + 1e6))
        await asyncio.sleep(0)
        sleeping.cancel()
        await asyncio.wait({sleeping})
        assert sleeping.cancelled()
        at_s = clock.now_s() + 0.001
        next_one = asyncio.create_task(clock.sleep_until(at_s))
        await asyncio.wait({next_one}, timeout=10)
        assert next_one.done()
        assert clock.now_s() >= at_s

    run(body)
