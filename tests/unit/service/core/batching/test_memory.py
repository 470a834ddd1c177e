from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from takt.core.batching.memory import MemoryBudget
from takt.core.errors import ImageTooLargeError, MemoryFullError
from tests.unit.service.core.batching.conftest import reached

LIMIT = 800
ENCODED, KEPT, AT_WORK = 300, 100, 400


def test_what_came_has_a_share_and_one_more_is_refused_until_some_is_given_back() -> None:
    memory = MemoryBudget(LIMIT)
    with memory.encoded() as one, memory.encoded() as other:
        one.add(ENCODED - 1)
        other.add(1)
        with pytest.raises(MemoryFullError) as refused:
            other.add(1)
        assert refused.value.headers == {"Retry-After": "1"}
        one.close()
        other.add(1)
        assert memory.in_use_bytes == 2
    assert memory.in_use_bytes == 0


def test_a_body_that_will_never_fit_is_too_large_rather_than_early() -> None:
    memory = MemoryBudget(LIMIT)
    with memory.encoded() as body:
        body.add(ENCODED)
        with pytest.raises(ImageTooLargeError, match="raise max_memory_mb"):
            body.add(1)
    with pytest.raises(ImageTooLargeError):
        memory.check_encoded(ENCODED + 1)


def test_an_announced_body_is_refused_before_it_comes_and_takes_nothing() -> None:
    memory = MemoryBudget(LIMIT)
    memory.check_encoded(ENCODED)
    assert memory.in_use_bytes == 0
    with memory.encoded() as body:
        body.add(1)
        with pytest.raises(MemoryFullError):
            memory.check_encoded(ENCODED)


async def test_work_waits_for_its_room_in_order() -> None:
    memory, done = MemoryBudget(LIMIT), []

    async def work(size: int) -> None:
        with memory.decoded() as room:
            await room.take(size)
            done.append(size)

    with memory.decoded() as first:
        await first.take(AT_WORK - 100)
        large = asyncio.create_task(work(AT_WORK))
        small = asyncio.create_task(work(50))
        await asyncio.sleep(0)
        assert done == []
        first.give_back()
        assert memory.in_use_bytes == AT_WORK
    await asyncio.gather(large, small)
    assert done == [AT_WORK, 50]
    assert memory.in_use_bytes == 0


async def test_small_work_does_not_wait_behind_large_work() -> None:
    memory = MemoryBudget(64 * LIMIT)
    with memory.decoded() as first, memory.decoded() as large, memory.decoded() as small:
        await first.take(33 * AT_WORK)
        waits = asyncio.create_task(large.take(32 * AT_WORK))
        await asyncio.sleep(0)
        assert small.take_now(AT_WORK)
        assert not small.take_now(AT_WORK + 1)
        first.give_back()
        await waits


async def test_work_never_waits_for_what_is_kept_or_still_comes() -> None:
    memory = MemoryBudget(LIMIT)
    with memory.encoded() as body, memory.decoded() as kept, memory.decoded() as work:
        body.add(ENCODED)
        assert kept.keep(KEPT)
        await work.take(AT_WORK)
        assert memory.in_use_bytes == LIMIT


async def test_work_that_can_never_be_done_is_refused_at_once() -> None:
    room = MemoryBudget(LIMIT).decoded()
    with pytest.raises(ImageTooLargeError, match="ask for no heatmap"):
        await room.take(AT_WORK + 1)


async def test_who_gives_up_waiting_lets_those_behind_go_on() -> None:
    memory = MemoryBudget(LIMIT)
    with memory.decoded() as first, memory.decoded() as second, memory.decoded() as third:
        await first.take(300)
        waits = asyncio.create_task(second.take(AT_WORK))
        await asyncio.sleep(0)
        behind = asyncio.create_task(third.take(100))
        await asyncio.sleep(0)
        waits.cancel()
        await behind
        assert memory.in_use_bytes == AT_WORK


async def test_who_leaves_just_as_its_room_comes_gives_it_back() -> None:
    memory = MemoryBudget(LIMIT)
    with memory.decoded() as first, memory.decoded() as second:
        await first.take(AT_WORK)
        waits = asyncio.create_task(second.take(AT_WORK))
        await asyncio.sleep(0)
        first.give_back()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert memory.in_use_bytes == 0


def test_only_so_many_pictures_are_kept_and_each_until_its_end() -> None:
    memory = MemoryBudget(LIMIT)
    with memory.decoded() as one:
        assert one.keep(KEPT)
        with memory.decoded() as other:
            assert not other.keep(1)
        one.give_back()
        assert memory.in_use_bytes == KEPT
    assert memory.in_use_bytes == 0


async def test_a_thread_that_outlives_its_caller_keeps_its_room_until_it_is_done() -> None:
    memory, goes_on = MemoryBudget(LIMIT), Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(goes_on.wait, 10)
        with memory.decoded() as room:
            await room.take(100)
            room.leave_to(running)
        assert memory.in_use_bytes == 100
        goes_on.set()
        await reached(lambda: memory.in_use_bytes == 0)


async def test_without_a_limit_there_is_room_for_everybody() -> None:
    memory = MemoryBudget()
    with memory.encoded() as body, memory.decoded() as room:
        body.add(10**12)
        await room.take(10**12)
        assert room.keep(10**12)
    assert memory.limit_bytes == math.inf
