from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from takt.parts.composing.drain import Drain
from takt.parts.composing.life import living
from takt.parts.composing.part import Left, ServerPart
from takt.peers import Alone

pytestmark = pytest.mark.anyio


class Follower(Alone):
    """A process that does not lead yet."""

    def __init__(self) -> None:
        super().__init__()
        self.leading.clear()


def telling(name: str, told: list[str], fails: Sequence[str] = ()) -> ServerPart:
    """A part that tells what becomes of it, and fails at some of it."""

    def tell(what: str) -> None:
        told.append(f"{name} {what}")
        if what in fails:
            raise ValueError(f"{name} {what}")

    async def begin() -> None:
        tell("begins")

    async def work() -> None:
        tell("works")
        try:
            await asyncio.Event().wait()
        finally:
            tell("stops")

    async def lead() -> None:
        tell("leads")

    async def close(left_s: Left) -> None:
        tell("closes")

    async def release(left_s: Left) -> None:
        tell("releases")

    return ServerPart(
        name=name, begin=begin, jobs=(work,), once_leading=(lead,), close=close, release=release
    )


def of(told: list[str], what: str) -> list[str]:
    return [one.split()[0] for one in told if one.endswith(what)]


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


async def test_all_have_begun_before_a_job_runs() -> None:
    told: list[str] = []
    async with living([telling("a", told), telling("b", told)], Alone(), lambda: 1.0):
        assert told == ["a begins", "b begins"]
        await until(lambda: len(told) == 6)
        assert told[2:] == ["a works", "a leads", "b works", "b leads"]


async def test_jobs_end_before_anything_closes_and_all_is_closed_before_anything_is_released() -> (
    None
):
    told: list[str] = []
    parts = [telling(name, told) for name in "abc"]
    async with living(parts, Alone(), lambda: 1.0):
        await until(lambda: len(of(told, "works")) == 3)
    ends = told[told.index("c leads") + 1 :]
    assert {*ends[:3]} == {"a stops", "b stops", "c stops"}
    assert ends[3:6] == ["c closes", "b closes", "a closes"]
    assert ends[6:] == ["c releases", "b releases", "a releases"]


async def test_what_one_process_does_waits_until_this_one_leads() -> None:
    told: list[str] = []
    peers = Follower()
    async with living([telling("a", told)], peers, lambda: 1.0):
        await until(lambda: of(told, "works") == ["a"])
        assert of(told, "leads") == []
        peers.leading.set()
        await until(lambda: of(told, "leads") == ["a"])


async def test_a_part_that_cannot_begin_ends_the_start_and_those_that_have_begun() -> None:
    told: list[str] = []
    parts = [telling("a", told), telling("b", told, ["begins"]), telling("c", told)]
    with pytest.raises(ValueError, match="b begins"):
        async with living(parts, Alone(), lambda: 1.0):
            pytest.fail("it has begun")
    assert told == ["a begins", "b begins", "a closes", "a releases"]


@pytest.mark.parametrize("fails", ["closes", "releases"])
async def test_a_part_that_fails_to_end_keeps_no_other_from_it(fails: str) -> None:
    told: list[str] = []
    parts = [telling("a", told), telling("b", told, [fails]), telling("c", told)]
    with pytest.raises(ValueError, match=f"b {fails}"):
        async with living(parts, Alone(), lambda: 1.0):
            pass
    assert of(told, "closes") == of(told, "releases") == ["c", "b", "a"]


async def test_the_time_for_the_end_begins_with_the_first_part_that_asks_for_it() -> None:
    now_s, left = 0.0, []

    def clock() -> float:
        return now_s

    async def take_a_second(left_s: Left) -> None:
        nonlocal now_s
        left.append(left_s())
        now_s += 1.0

    async def ask_nothing(left_s: Left) -> None:
        nonlocal now_s
        now_s += 1.0

    parts = [
        ServerPart(name="last", close=take_a_second),
        ServerPart(name="second", close=take_a_second),
        ServerPart(name="first", close=ask_nothing),
    ]
    async with living(parts, Alone(), Drain(5.0, clock).left_s):
        pass
    assert left == [5.0, 4.0]
