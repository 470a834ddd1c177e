from __future__ import annotations

import asyncio

import pytest

from takt.core.errors import InvalidImageError, QueueFullError
from takt.streaming.entrance import Entrance, Read


class Queue:
    """Full until it is given room; a picture that has come in is answered when it is told to."""

    def __init__(self, inspection) -> None:
        self._inspection = inspection
        self.room = 0
        self.tries = 0
        self.inside: list[bytes] = []
        self.answers = asyncio.Event()

    async def inspect(self, read: Read):
        self.tries += 1
        if not self.room:
            raise QueueFullError("full", 1)
        self.room -= 1
        self.inside.append(await read())
        await self.answers.wait()
        return self._inspection()


class Pauses:
    """In place of `asyncio.sleep`: notes each pause, which ends when it is told to."""

    def __init__(self) -> None:
        self.taken_s: list[float] = []
        self._ends: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(self, delay_s: float) -> None:
        self.taken_s.append(delay_s)
        await self._ends.get()

    async def end(self) -> None:
        self._ends.put_nowait(None)
        await settle()


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


async def test_only_the_oldest_frame_tries_a_full_queue_and_others_follow_in_order(
    inspection, pauses
) -> None:
    queue = Queue(inspection)
    way_in = Entrance(queue.inspect, 60.0, pauses.sleep)
    tasks = [asyncio.create_task(way_in.inspect(bytes([n]))) for n in range(4)]
    await settle()
    assert queue.tries == len(pauses.taken_s) == 1
    await pauses.end()
    assert queue.tries == len(pauses.taken_s) == 2
    queue.room = 4
    await pauses.end()
    assert queue.inside == [b"\0", b"\1", b"\2", b"\3"]
    assert queue.tries == 6
    queue.answers.set()
    await asyncio.gather(*tasks)


async def test_the_pauses_grow_up_to_a_bound(inspection, pauses) -> None:
    queue = Queue(inspection)
    waiting = asyncio.create_task(Entrance(queue.inspect, 60.0, pauses.sleep).inspect(b""))
    await settle()
    for _ in range(4):
        await pauses.end()
    assert pauses.taken_s == [0.01, 0.02, 0.04, 0.05, 0.05]
    waiting.cancel()
    await asyncio.wait({waiting})


async def test_a_frame_that_is_given_up_lets_the_next_one_try(inspection, pauses) -> None:
    queue = Queue(inspection)
    way_in = Entrance(queue.inspect, 60.0, pauses.sleep)
    first, second = (asyncio.create_task(way_in.inspect(bytes([n]))) for n in range(2))
    await settle()
    first.cancel()
    queue.room = 1
    await settle()
    assert queue.inside == [b"\1"]
    queue.answers.set()
    await second


async def test_a_frame_that_fails_lets_the_next_one_try() -> None:
    async def fails(read: Read):
        raise InvalidImageError("no picture")

    way_in = Entrance(fails, 60.0)
    for _ in range(2):
        with pytest.raises(InvalidImageError):
            await way_in.inspect(b"")


async def test_a_frame_refused_after_it_was_let_in_waits_for_its_turn_again(
    inspection, pauses
) -> None:
    refusals = 1

    async def refuses_late(read: Read):
        nonlocal refusals
        await read()
        if refusals:
            refusals -= 1
            raise QueueFullError("full", 1)
        return inspection()

    waiting = asyncio.create_task(
        Entrance(refuses_late, 60.0, pauses.sleep).inspect(memoryview(b"x"))
    )
    await settle()
    await pauses.end()
    assert await waiting == inspection()
