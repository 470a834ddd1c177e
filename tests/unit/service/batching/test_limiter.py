from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest

from service.batching.limiter import Turns
from service.domain import Priority
from service.errors import DeadlineExceededError


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


class Visitor:
    """Takes a turn and keeps it until it is told to leave."""

    def __init__(
        self, turns: Turns, priority: Priority = "line", deadline_s: float = math.inf
    ) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.on_left: Callable[[], object] = lambda: None
        self.task = asyncio.create_task(self._visit(turns, priority, deadline_s))

    async def _visit(self, turns: Turns, priority: Priority, deadline_s: float) -> None:
        async with turns.turn(priority, deadline_s):
            self.inside = True
            await self.leave.wait()
        self.on_left()

    async def done(self) -> None:
        self.leave.set()
        await self.task


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_no_more_than_the_most_have_a_turn() -> None:
    async def test() -> None:
        turns = Turns(2)
        visitors = [Visitor(turns) for _ in range(4)]
        await settle()
        assert [visitor.inside for visitor in visitors] == [True, True, False, False]
        assert turns.waiting == 2
        await visitors[1].done()
        await settle()
        assert [visitor.inside for visitor in visitors] == [True, True, True, False]
        for visitor in visitors:
            await visitor.done()
        assert turns.waiting == 0

    run(test)


def test_the_line_goes_before_the_bulk() -> None:
    async def test() -> None:
        turns = Turns(1)
        first, bulk, line = Visitor(turns), Visitor(turns, "bulk"), Visitor(turns)
        await settle()
        await first.done()
        await settle()
        assert (bulk.inside, line.inside) == (False, True)
        await line.done()
        await settle()
        assert bulk.inside
        await bulk.done()

    run(test)


def test_a_turn_is_given_back_after_an_error() -> None:
    async def test() -> None:
        turns = Turns(1)
        with pytest.raises(ZeroDivisionError):
            async with turns.turn("line", math.inf):
                raise ZeroDivisionError
        async with turns.turn("line", math.inf):
            assert turns.waiting == 0

    run(test)


def test_who_leaves_while_waiting_is_passed_over() -> None:
    async def test() -> None:
        turns = Turns(1)
        first, gone, last = Visitor(turns), Visitor(turns), Visitor(turns)
        await settle()
        gone.task.cancel()
        await settle()
        assert turns.waiting == 1
        await first.done()
        await settle()
        assert last.inside
        await last.done()

    run(test)


@pytest.mark.parametrize("leaves_first", [True, False])
def test_a_turn_that_comes_as_its_owner_leaves_goes_to_the_next(leaves_first: bool) -> None:
    async def test() -> None:
        turns = Turns(1)
        first, gone, last = Visitor(turns), Visitor(turns), Visitor(turns)
        await settle()
        # Both happen before the event loop gets to the one that leaves.
        if leaves_first:
            first.leave.set()
            gone.task.cancel()
        else:
            first.on_left = gone.task.cancel
            first.leave.set()
        await settle()
        assert not gone.inside
        assert last.inside
        await last.done()
        async with turns.turn("line", math.inf):
            assert turns.waiting == 0

    run(test)


def test_whose_deadline_has_passed_is_told_and_takes_no_turn() -> None:
    async def test() -> None:
        turns = Turns(1)
        first, late, last = Visitor(turns), Visitor(turns, deadline_s=-math.inf), Visitor(turns)
        await settle()
        await first.done()
        with pytest.raises(DeadlineExceededError):
            await late.task
        await settle()
        assert last.inside
        await last.done()

    run(test)
