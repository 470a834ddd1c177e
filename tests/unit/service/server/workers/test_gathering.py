"""What workers have counted is counted once, whether they answer, end or are late."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from prometheus_client import Metric

from takt.observing.instruments.merging import TOPIC, Told, heard, merged, told
from takt.peers import Message
from takt.server.workers.gathering import DEPARTED, Gatherings
from takt.server.workers.member import Member

pytestmark = pytest.mark.anyio


def counted(value: float) -> Told:
    family = Metric("takt_requests", "Pictures answered.", "counter")
    family.add_sample("takt_requests_total", {"model": "nut"}, value)
    return told([family])


@dataclass(eq=False)
class Worker:
    number: int
    counted: Told = field(default_factory=list)
    hears: bool = True
    still: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, kind: str, **facts: Any) -> None:
        self.told.append({"kind": kind, **facts})

    def count(self, families: Told) -> None:
        self.counted = families

    @property
    def replies(self) -> list[Message]:
        (answer,) = [one for one in self.told if one["kind"] == "replies"]
        return list(answer["replies"])


class Host:
    """Three workers, and what is asked among them."""

    def __init__(self) -> None:
        self.workers = [Worker(number) for number in range(3)]
        self.gatherings = Gatherings(lambda: cast(list[Member], self.workers))

    def ask(self, topic: str = TOPIC, within_s: float = 5.0) -> None:
        message = {"id": 7, "topic": topic, "body": {}, "within_s": within_s}
        self.gatherings.ask(cast(Member, self.workers[0]), message)

    def reply(self, number: int, families: Told) -> None:
        self.answer(number, {"families": families})

    def answer(self, number: int, body: Message) -> None:
        worker = next(one for one in self.workers if one.number == number)
        id = next(one["id"] for one in worker.told if one["kind"] == "ask")
        message = {"id": id, "body": body, "failure": None}
        self.gatherings.reply(cast(Member, worker), message)

    def depart(self, number: int) -> None:
        (worker,) = [one for one in self.workers if one.number == number]
        self.workers.remove(worker)
        self.gatherings.depart(cast(Member, worker))

    def sum(self) -> float:
        families = [heard(one["body"]["families"]) for one in self.workers[0].replies]
        return sum(sample.value for one in merged(families) for sample in one.samples)


async def test_all_others_are_asked_and_answer_together_with_those_that_are_gone() -> None:
    host = Host()
    host.workers[2].counted = counted(100)
    host.depart(2)
    host.ask()
    assert not [one for one in host.workers[0].told if one["kind"] == "ask"]
    host.reply(1, counted(20))
    assert [one["worker"] for one in host.workers[0].replies] == [1, DEPARTED]
    assert host.sum() == 120


async def test_a_worker_that_ends_while_it_is_asked_is_counted_by_its_last_word_alone() -> None:
    host = Host()
    host.ask()
    host.reply(1, counted(20))
    # It has answered, and says a little more as it ends.
    host.workers[1].counted = counted(25)
    host.depart(1)
    host.reply(2, counted(3))
    assert host.sum() == 28


async def test_what_a_killed_worker_has_told_anybody_is_never_taken_back() -> None:
    host = Host()
    host.workers[1].counted = counted(10)
    host.ask()
    host.reply(1, counted(17))
    host.reply(2, counted(0))
    host.depart(1)
    host.workers[0].told.clear()
    host.ask()
    host.workers[1].told.reverse()
    host.reply(2, counted(0))
    assert host.sum() == 17


async def test_a_worker_that_is_late_fails_its_own_answer_alone() -> None:
    host = Host()
    host.ask("thresholds", within_s=0.01)
    host.reply(1, [])
    async with asyncio.timeout(10):
        while not [one for one in host.workers[0].told if one["kind"] == "replies"]:
            await asyncio.sleep(0)
    failures = {one["worker"]: one["failure"] for one in host.workers[0].replies}
    assert failures == {1: None, 2: "it did not answer in time"}


async def test_a_worker_that_does_not_hear_yet_is_not_waited_for() -> None:
    host = Host()
    host.workers[1].hears = host.workers[2].hears = False
    host.ask("thresholds")
    assert host.workers[0].replies == []


async def test_nobody_waits_for_a_worker_that_stands_still_whose_counts_are_known() -> None:
    host = Host()
    host.workers[2].still = True
    host.workers[2].counted = counted(100)
    host.ask()
    assert [one for one in host.workers[2].told if one["kind"] == "ask"] == []
    host.reply(1, counted(20))
    of_two = next(one for one in host.workers[0].replies if one["worker"] == 2)
    assert of_two["failure"] == "it did not answer in time"
    assert host.sum() == 120


async def test_a_question_that_is_under_way_goes_on_without_one_that_stops() -> None:
    host = Host()
    host.ask("order")
    host.reply(1, [])
    host.gatherings.give_up(cast(Member, host.workers[2]))
    assert [one["worker"] for one in host.workers[0].replies] == [1, 2]


async def test_what_takes_long_waits_for_a_worker_that_loads() -> None:
    host = Host()
    host.ask("prove")
    host.reply(1, [])
    host.gatherings.give_up(cast(Member, host.workers[2]))
    assert [one for one in host.workers[0].told if one["kind"] == "replies"] == []


async def test_what_a_worker_has_to_know_is_told_it_though_it_stands_still() -> None:
    host = Host()
    host.workers[2].still = True
    host.ask("take")
    assert len([one for one in host.workers[2].told if one["kind"] == "ask"]) == 1
    host.reply(1, [])
    assert [one["worker"] for one in host.workers[0].replies] == [1, 2]


async def test_one_that_stood_still_and_is_gone_is_counted_once() -> None:
    host = Host()
    host.workers[2].still = True
    host.workers[2].counted = counted(100)
    host.ask()
    host.depart(2)
    host.reply(1, counted(20))
    assert host.sum() == 120


async def test_what_only_the_leading_worker_does_waits_for_no_other_once_that_is_done() -> None:
    host = Host()
    host.ask("part")
    host.answer(1, {})
    assert not [one for one in host.workers[0].told if one["kind"] == "replies"]
    host.answer(2, {"done": {"part": "A-17"}})
    assert host.workers[0].replies[0]["body"] == {}
    assert host.workers[0].replies[1]["body"] == {"done": {"part": "A-17"}}


async def test_the_leading_worker_is_heard_while_another_one_is_silent() -> None:
    host = Host()
    host.ask("order")
    host.answer(2, {"done": {}})
    first, late = host.workers[0].replies
    assert (first["worker"], first["body"]) == (2, {"done": {}})
    assert late["failure"] == "it did not answer in time"
