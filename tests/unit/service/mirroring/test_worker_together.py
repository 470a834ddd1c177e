"""One worker of a server looks at the URL; all of them know how that went."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from takt.core.errors import UnavailableError
from takt.mirroring.metrics import MirrorMetrics
from takt.mirroring.worker import BundleSource, MirrorWorker
from tests.linked import Link, LinkedPeers
from tests.unit.service.mirroring.test_worker import Looks, settled


class Working:
    """A worker's mirror, which has begun."""

    def __init__(self, looks: Looks, peers: LinkedPeers) -> None:
        self.looks = looks
        self.peers = peers
        self.registry = CollectorRegistry()
        self.mirror = MirrorWorker(
            looks,  # type: ignore[arg-type]
            BundleSource("s3://bundles"),
            "here",
            0.001,
            MirrorMetrics(self.registry),
            threading.Event(),
            peers,
        )
        peers.open()
        self.begun = asyncio.create_task(self.mirror.begin(settled, lambda: None))

    async def until(self, condition: Callable[[BundleSource], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition(self.mirror.source):
                await asyncio.sleep(0.001)

    async def end(self) -> None:
        self.begun.cancel()
        await asyncio.wait({self.begun})
        await self.mirror.close()
        self.peers.close()


@pytest.fixture(autouse=True)
def _away_is_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("takt.mirroring.worker._AGAIN_S", 0.001)


async def test_only_the_worker_that_leads_looks_and_the_other_one_says_the_same() -> None:
    link = Link(2)
    away = Looks(UnavailableError("no route"))
    away.refused = {"parts/2": "model.onnx is another"}
    leader, other = Working(away, link.join()), Working(Looks(False), link.join())
    told = BundleSource("s3://bundles", "no route", {"parts/2": "model.onnx is another"})
    await other.until(lambda source: source == told)
    assert leader.mirror.source == told
    assert not other.looks.looked.acquire(blocking=False)
    assert other.registry.get_sample_value("takt_repository_up") == 0
    assert other.registry.get_sample_value("takt_repository_refused") == 1
    away.outcomes, away.refused = [False], {}
    await other.until(lambda source: source == BundleSource("s3://bundles"))
    assert other.registry.get_sample_value("takt_repository_up") == 1
    await leader.end()
    await other.end()


async def test_whoever_comes_later_is_told_what_was_looked_at() -> None:
    link = Link(2)
    leader = Working(Looks(False), link.join())
    await asyncio.wait_for(leader.mirror.next_look(), 10)
    other = Working(Looks(False), link.join())
    await asyncio.wait_for(other.mirror.next_look(), 10)
    assert not other.looks.looked.acquire(blocking=False)
    await leader.end()
    await other.end()


async def test_a_change_lets_every_worker_look_at_the_folder_again() -> None:
    link = Link(2)
    looks = Looks(False)
    leader, other = Working(looks, link.join()), Working(Looks(False), link.join())
    await asyncio.wait_for(other.mirror.next_look(), 10)
    # Not before: whoever waits is woken once by all that has come until then.
    looks.outcomes = [True, False]
    await asyncio.wait_for(other.mirror.next_look(), 10)
    await leader.end()
    await other.end()


async def test_the_leader_looks_when_another_worker_is_asked_to() -> None:
    link = Link(2)
    leader, other = Working(Looks(False), link.join()), Working(Looks(False), link.join())
    leader.mirror._every_s = 0.0
    await asyncio.wait_for(other.mirror.next_look(), 10)
    while leader.looks.looked.acquire(blocking=False):
        pass
    other.mirror.ask()
    assert await asyncio.to_thread(leader.looks.looked.acquire, True, 10)
    await leader.end()
    await other.end()


async def test_whoever_leads_next_goes_on() -> None:
    link = Link(2)
    leader, other = Working(Looks(False), link.join()), Working(Looks(False), link.join())
    await asyncio.wait_for(leader.mirror.next_look(), 10)
    await leader.end()
    assert not other.looks.looked.acquire(blocking=False)
    other.peers.leading.set()
    assert await asyncio.to_thread(other.looks.looked.acquire, True, 10)
    await other.end()
