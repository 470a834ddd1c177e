from __future__ import annotations

import asyncio
from typing import Any

import pytest

from takt.peers import Message, Reply
from takt.ray.replicas import Replicas, Told


class Nobody(Exception):
    """No replica gets requests."""


class Gone(Exception):
    """A replica has ended."""


class Asked:
    def __init__(self, cluster: Cluster, *question: Any) -> None:
        self._cluster, self._question = cluster, question

    async def results_async(
        self, *, timeout_s: float | None = None, return_exceptions: bool = False
    ) -> list[Told | BaseException]:
        if not self._cluster.running:
            raise Nobody
        answers = (one.hear(*self._question) for one in self._cluster.running)
        async with asyncio.timeout(timeout_s):
            found = await asyncio.gather(*answers, return_exceptions=return_exceptions)
        return [*found, *self._cluster.instead]


class Cluster:
    """Replicas that ask each other without Ray."""

    def __init__(self, *names: str) -> None:
        self.running = [self.start(name) for name in names]
        self.instead: list[BaseException] = []

    def start(self, name: str) -> Replicas:
        return Replicas(name, lambda *question: Asked(self, *question), Nobody, (Gone,))


async def test_every_other_replica_answers_and_the_one_that_asks_does_not() -> None:
    cluster = Cluster("one", "two", "three")
    heard: list[tuple[str, Message]] = []
    for name, replica in zip(("one", "two", "three"), cluster.running, strict=True):

        async def handle(body: Message, name: str = name) -> Message:
            heard.append((name, body))
            return {"from": name}

        replica.answer("look", handle)
    replies = await cluster.running[0].ask("look", {"wait": True})
    assert [reply.body["from"] for reply in replies] == ["two", "three"]
    assert heard == [("two", {"wait": True}), ("three", {"wait": True})]


async def test_one_that_fails_says_why_and_one_that_has_ended_is_left_out() -> None:
    cluster = Cluster("one", "two")

    async def fail(_: Message) -> Message:
        raise ValueError("the disk is full")

    cluster.running[1].answer("take", fail)
    cluster.instead = [Gone()]
    assert await cluster.running[0].ask("take", {}) == [Reply(1, {}, "the disk is full")]


async def test_one_that_does_not_answer_in_time_is_a_failure() -> None:
    cluster = Cluster("one", "two")

    async def hang(_: Message) -> Message:
        await asyncio.Event().wait()
        return {}

    cluster.running[1].answer("take", hang)
    (reply,) = await cluster.running[0].ask("take", {}, within_s=0.01)
    assert reply.failure is not None


async def test_the_first_replica_has_nobody_to_ask_before_it_gets_requests() -> None:
    cluster = Cluster()
    assert await cluster.start("first").ask("unkept", {}) == []


async def test_the_names_of_those_that_get_requests_are_known() -> None:
    cluster = Cluster("one", "two")
    leaving = cluster.start("leaving")
    assert await cluster.running[0].names() == ["one", "two"]
    assert await leaving.names() == ["one", "two"]
    cluster.instead = [Gone()]
    with pytest.raises(Gone):
        await leaving.names()


async def test_a_replica_is_known_once_every_other_one_would_ask_it() -> None:
    cluster, behind = Cluster("one", "two"), Cluster("one", "two")
    new = cluster.start("new")
    assert not await new.known()
    # Ray has told all but `late` of the new one.
    cluster.running.append(new)
    late = behind.start("late")
    cluster.running.append(late)
    assert not await new.known()
    behind.running.append(new)
    assert await new.known()


def test_each_replica_leads() -> None:
    (replica,) = Cluster("one").running
    assert replica.leading.is_set()
    assert replica.workers > 1
