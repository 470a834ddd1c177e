from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from takt.core.batching.admission import Admission, Shares, room_for
from takt.core.batching.stage import Stage
from takt.core.domain import Priority
from takt.core.errors import QueueFullError
from tests.unit.service.core.batching.conftest import (
    Gated,
    admission_to,
    batching,
    queued,
    submit,
)


@contextmanager
def inside(stage: Stage, count: int, priority: Priority = "line") -> Iterator[None]:
    """So many more in a stage."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(stage.count(priority))
        yield


def admission(max_queue_size: int = 256, engines: int = 1, item_s: float = 0.0) -> Admission:
    running = Stage(workers=engines)
    if item_s:
        running.throughput.ran(1, item_s)
    return Admission(max_queue_size, Stage(), Stage(), running, Stage(), Stage())


def test_the_bulk_has_half_of_the_room() -> None:
    assert [room_for("line", size) for size in (1, 4, 5)] == [1, 4, 5]
    assert [room_for("bulk", size) for size in (1, 4, 5)] == [1, 2, 3]


def test_as_many_as_there_is_room_for_may_wait() -> None:
    four = admission(4)
    with inside(four.preparing, 1):
        four.check("bulk", math.inf)
        with inside(four.preparing, 2):
            four.check("line", math.inf)
    with inside(four.preparing, 4), pytest.raises(QueueFullError, match="4 pictures wait already"):
        four.check("line", math.inf)
    with inside(four.preparing, 2), pytest.raises(QueueFullError, match="2 pictures wait already"):
        four.check("bulk", math.inf)


@pytest.mark.parametrize("stage", ["preparing", "large", "finishing", "finishing_large"])
def test_whoever_is_on_the_way_or_is_being_finished_counts_as_waiting(stage: str) -> None:
    two = admission(2)
    with inside(getattr(two, stage), 1):
        two.check("line", math.inf)
        with inside(getattr(two, stage), 1), pytest.raises(QueueFullError):
            two.check("line", math.inf)
    two.check("line", math.inf)


def test_the_bulk_may_fill_half_of_the_queue() -> None:
    five = admission(5)
    with inside(five.preparing, 2):
        five.check("bulk", math.inf)
        with inside(five.preparing, 1), pytest.raises(QueueFullError):
            five.check("bulk", math.inf)
        with inside(five.preparing, 2):
            five.check("line", math.inf)


def test_large_pictures_may_fill_half_of_the_queue_and_small_ones_do_not_wait_for_them() -> None:
    four = admission(4)
    four.large.throughput.ran(1, 10.0)
    with inside(four.large, 2):
        four.check("line", 0.1)
        with pytest.raises(QueueFullError):
            four.check("line", math.inf, large=True)


async def test_a_large_picture_is_refused_where_others_like_it_would_make_it_late() -> None:
    large = Stage(at_once=1)
    large.throughput.ran(1, 1.0)
    before = Admission(256, Stage(), large, Stage(), Stage())
    async with large.turn("line"):
        waits = asyncio.create_task(_pass_through(large))
        await asyncio.sleep(0)
        before.check("line", 0.1)
        with pytest.raises(QueueFullError, match="some 2000 ms"):
            before.check("line", 1.8, large=True)
    await waits


def test_who_would_wait_in_vain_is_told_when_to_come_back() -> None:
    one, two = admission(item_s=2.0), admission(engines=2, item_s=2.0)
    with inside(one.preparing, 2), inside(two.preparing, 2):
        one.check("line", 7.6)
        two.check("line", 5.1)
        with pytest.raises(QueueFullError, match="would take some 6000 ms") as refused:
            one.check("line", 3.5)
    assert refused.value.retry_after_s == 3


def test_what_would_wait_longer_than_its_timeout_is_refused_at_once() -> None:
    slow = admission(item_s=10.0)
    slow.check("line", 1.0)
    with inside(slow.preparing, 3):
        slow.check("line", 60.0)
        with pytest.raises(QueueFullError, match=r"40000 ms, more than the 30000 ms") as caught:
            slow.check("line", 30.0)
    assert caught.value.headers == {"Retry-After": "10"}


def test_where_nobody_waits_the_throughput_refuses_nobody() -> None:
    admission(item_s=60.0).check("line", 0.001)


def test_nobody_is_sent_away_for_more_than_a_minute() -> None:
    slow = admission(4, item_s=1000.0)
    with inside(slow.preparing, 4), pytest.raises(QueueFullError) as refused:
        slow.check("line", math.inf)
    assert refused.value.retry_after_s == 60


def test_who_overtakes_does_not_wait_for_those_behind() -> None:
    slow = admission(8, item_s=2.0)
    with inside(slow.finishing, 1), inside(slow.preparing, 2, "bulk"):
        slow.check("line", 0.1)
        with inside(slow.preparing, 1), pytest.raises(QueueFullError, match="1 pictures come fir"):
            slow.check("line", 0.1)


async def test_the_wait_for_decoding_counts() -> None:
    decoding = Stage(workers=2, at_once=1)
    decoding.throughput.ran(1, 1.0)
    before = Admission(256, decoding, Stage(), Stage(), Stage())
    async with decoding.turn("line"):
        before.check("line", 0.1)  # whoever is being decoded holds up nobody
        waits = asyncio.create_task(_pass_through(decoding))
        await asyncio.sleep(0)
        before.check("line", 1.9)
        with pytest.raises(QueueFullError, match="some 1500 ms"):
            before.check("line", 1.8)
    await waits


async def _pass_through(stage: Stage) -> None:
    async with stage.turn("line"):
        pass


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    runner = Gated()
    async with batching(runner, max_queue_size=2, max_batch_size=1) as (batcher, _):
        runner.gate.clear()
        tasks = submit(batcher, 0)
        await runner.busy()
        tasks += submit(batcher, 1, 2)
        await queued(batcher, 2)
        with pytest.raises(QueueFullError) as caught:
            admission_to(batcher).check("line", math.inf)
        assert int(caught.value.headers["Retry-After"]) >= 1
        runner.gate.set()
        assert [d.result for d in await asyncio.gather(*tasks)] == [0, 2, 4]


async def test_what_was_admitted_keeps_its_place_however_many_come_meanwhile() -> None:
    runner = Gated()
    async with batching(runner, max_queue_size=2, max_batch_size=1) as (batcher, _):
        runner.gate.clear()
        tasks = submit(batcher, 0)
        await runner.busy()
        admission_to(batcher).check("bulk", math.inf)
        tasks += submit(batcher, 1, 2)
        await queued(batcher, 2)
        tasks += submit(batcher, 3, priority="bulk")
        await queued(batcher, 3)
        runner.gate.set()
        assert [d.result for d in await asyncio.gather(*tasks)] == [0, 2, 4, 6]


async def test_the_line_is_not_refused_because_of_the_bulk_that_it_overtakes() -> None:
    runner = Gated()
    async with batching(runner, max_batch_size=1) as (batcher, _):
        runner.gate.clear()
        tasks = submit(batcher, 0)
        await runner.busy()
        tasks += submit(batcher, *range(1, 6), priority="bulk")
        await queued(batcher, 5)
        batcher.stage.throughput.ran(1, 10.0)
        admission_to(batcher).check("line", 5.0)
        with pytest.raises(QueueFullError):
            admission_to(batcher).check("bulk", 5.0)
        runner.gate.set()
        await asyncio.gather(*tasks)


@contextmanager
def held(shares: Shares, count: int, caller: str) -> Iterator[None]:
    """So many places are a caller's."""
    for _ in range(count):
        shares.take(caller)
    yield
    for _ in range(count):
        shares.leave(caller)


def test_one_caller_alone_may_fill_the_queue() -> None:
    eight = admission(8)
    # More than those that wait, as the engine has some.
    with inside(eight.preparing, 7), held(eight.shares, 9, "a"):
        eight.check("line", math.inf, caller="a")
    with inside(eight.preparing, 8), pytest.raises(QueueFullError, match="8 pictures wait"):
        eight.check("line", math.inf, caller="a")


def test_where_others_ask_a_caller_has_an_equal_part_of_the_second_half() -> None:
    eight = admission(8)
    full = inside(eight.preparing, 8), held(eight.shares, 8, "greedy")
    with full[0], full[1], pytest.raises(QueueFullError, match="8 pictures wait"):
        eight.check("line", math.inf, caller="modest")
    with inside(eight.preparing, 7), held(eight.shares, 7, "greedy"):
        with pytest.raises(QueueFullError, match="7 pictures of this caller wait"):
            eight.check("line", math.inf, caller="greedy")
        eight.check("line", math.inf, caller="modest")
    with inside(eight.preparing, 3), held(eight.shares, 3, "greedy"):
        eight.check("line", math.inf, caller="greedy")


def test_a_caller_who_asks_no_more_is_no_longer_counted() -> None:
    now_s = 0.0
    shares = Shares(clock=lambda: now_s)
    for caller in ("a", "b", "c", "b"):
        shares.asks(caller)
    assert shares.of_each(8) == 3
    now_s = 11.0
    shares.asks("b")
    assert shares.of_each(8) == 8


def test_callers_who_hold_nothing_take_no_memory() -> None:
    shares = Shares(clock=lambda: 0.0)
    with held(shares, 2, "a"):
        assert shares.held_by("a") == 2
    assert shares.held_by("a") == 0 and not shares._held
