from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import pytest

from takt.core.batching.stage import Stage
from takt.core.domain import Priority
from takt.core.errors import DeadlineExceededError


class Visitor:
    """Takes a turn and keeps it until it is told to leave."""

    def __init__(
        self, stage: Stage, priority: Priority = "line", deadline_s: float = math.inf
    ) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.on_left: Callable[[], object] = lambda: None
        self.task = asyncio.create_task(self._visit(stage, priority, deadline_s))

    async def _visit(self, stage: Stage, priority: Priority, deadline_s: float) -> None:
        async with stage.turn(priority, deadline_s):
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


async def test_no_more_than_the_most_have_a_turn() -> None:
    stage = Stage(at_once=2)
    visitors = [Visitor(stage) for _ in range(4)]
    await settle()
    assert [visitor.inside for visitor in visitors] == [True, True, False, False]
    assert len(stage.queue) == 2
    await visitors[1].done()
    await settle()
    assert [visitor.inside for visitor in visitors] == [True, True, True, False]
    for visitor in visitors:
        await visitor.done()
    assert len(stage.queue) == 0


async def test_the_line_goes_before_the_bulk() -> None:
    stage = Stage(at_once=1)
    first, bulk, line = Visitor(stage), Visitor(stage, "bulk"), Visitor(stage)
    await settle()
    await first.done()
    await settle()
    assert (bulk.inside, line.inside) == (False, True)
    await line.done()
    await settle()
    assert bulk.inside
    await bulk.done()


async def test_a_turn_is_given_back_after_an_error() -> None:
    stage = Stage(at_once=1)
    with pytest.raises(ZeroDivisionError):
        async with stage.turn("line"):
            raise ZeroDivisionError
    async with stage.turn("line"):
        assert len(stage.queue) == 0


async def test_who_leaves_while_waiting_is_passed_over() -> None:
    stage = Stage(at_once=1)
    first, gone, last = Visitor(stage), Visitor(stage), Visitor(stage)
    await settle()
    gone.task.cancel()
    await settle()
    assert len(stage.queue) == 1
    await first.done()
    await settle()
    assert last.inside
    await last.done()


@pytest.mark.parametrize("leaves_first", [True, False])
async def test_a_turn_that_comes_as_its_owner_leaves_goes_to_the_next(leaves_first: bool) -> None:
    stage = Stage(at_once=1)
    first, gone, last = Visitor(stage), Visitor(stage), Visitor(stage)
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
    async with stage.turn("line"):
        assert len(stage.queue) == 0


async def test_whose_deadline_has_passed_is_told_and_takes_no_turn() -> None:
    stage = Stage(at_once=1)
    first, late, last = Visitor(stage), Visitor(stage, deadline_s=-math.inf), Visitor(stage)
    await settle()
    await first.done()
    with pytest.raises(DeadlineExceededError):
        await late.task
    await settle()
    assert last.inside
    await last.done()


def test_a_stage_counts_by_priority_as_long_as_the_block_lasts() -> None:
    stage = Stage()
    with stage.count("line"), stage.count("bulk"), stage.count("bulk"):
        assert (len(stage), stage.ahead_of("line"), stage.ahead_of("bulk")) == (3, 1, 3)
    with pytest.raises(KeyError), stage.count("line"):
        raise KeyError
    assert len(stage) == 0


async def test_who_waits_for_a_turn_and_who_has_one_are_counted() -> None:
    stage = Stage(at_once=1)
    visitors = [Visitor(stage), Visitor(stage), Visitor(stage, "bulk")]
    await settle()
    assert (len(stage), len(stage.queue)) == (3, 2)
    assert (stage.ahead_of("line"), stage.queue.ahead_of("line")) == (2, 1)
    for visitor in visitors:
        await visitor.done()
    assert (len(stage), len(stage.queue)) == (0, 0)


async def test_everyone_who_waits_for_a_stage_to_be_empty_hears_of_it() -> None:
    stage = Stage()
    await stage.empty()
    with stage.count("line"):
        with stage.count("bulk"):
            first = asyncio.create_task(stage.empty())
            await settle()
            second = asyncio.create_task(stage.empty())
            await settle()
        await settle()
        assert not first.done()
    await asyncio.gather(first, second)


async def test_who_is_counted_elsewhere_is_counted_only_while_it_waits() -> None:
    stage = Stage(at_once=1)
    async with stage.turn("line", counted=False):
        assert len(stage) == 0
        second = Visitor(stage)
        await settle()
        assert (second.inside, len(stage)) == (False, 1)
    await settle()
    assert (second.inside, len(stage)) == (True, 1)
    await second.done()
    assert len(stage) == 0


async def test_who_gives_up_waiting_is_counted_no_more() -> None:
    stage = Stage(at_once=1)
    async with stage.turn("line", counted=False):
        second = Visitor(stage)
        await settle()
        second.task.cancel()
        await settle()
        assert len(stage) == 0
