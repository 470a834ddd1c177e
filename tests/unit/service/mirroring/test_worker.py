"""The thread that looks: what it tells, how long it waits, and how it ends."""

import asyncio
import logging
import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from takt.core.errors import UnavailableError
from takt.mirroring.metrics import MirrorMetrics
from takt.mirroring.worker import BundleSource, MirrorWorker


class Looks:
    """A mirror whose looks go as a test says."""

    def __init__(self, *outcomes: bool | Exception | None) -> None:
        self.refused: dict[str, str] = {}
        self.outcomes = list(outcomes)
        self.looked = threading.Semaphore(0)

    def look(self) -> bool | None:
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        self.looked.release()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def settled() -> None:
    """What is in the folder may be replaced."""


Make = Callable[..., MirrorWorker]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def make(registry: CollectorRegistry) -> Make:
    def make(looks: Looks, every_s: float = 0.001) -> MirrorWorker:
        source = BundleSource("s3://bundles")
        return MirrorWorker(
            looks,  # type: ignore[arg-type]
            source,
            "here",
            every_s,
            MirrorMetrics(registry),
            threading.Event(),
        )

    return make


async def test_a_change_is_told_on_the_loop(make: Make) -> None:
    worker, changed = make(Looks(False, True, False)), asyncio.Event()
    await worker.begin(settled, changed.set)
    await asyncio.wait_for(changed.wait(), 10)
    await worker.close()


async def test_a_store_that_is_away_is_told_once_and_so_is_its_return(
    make: Make, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture, monkeypatch
) -> None:
    monkeypatch.setattr("takt.mirroring.worker._AGAIN_S", 0.001)
    away = UnavailableError("s3://bundles does not answer: refused")
    looks = Looks(True, away, away, away, False)
    worker = make(looks)
    with caplog.at_level(logging.INFO):
        await worker.begin(settled, lambda: None)
        await worker.next_look()
        for _ in range(6):
            await asyncio.to_thread(looks.looked.acquire)
        await worker.next_look()
        await worker.close()

    told = [one.getMessage() for one in caplog.records]
    assert [one for one in told if "refused" in one] == [
        "s3://bundles does not answer: refused; what came until now is served"
    ]
    assert "s3://bundles answers again" in told
    assert registry.get_sample_value("takt_repository_up") == 1


async def test_its_state_says_why_it_is_away_and_what_is_refused(
    make: Make, registry: CollectorRegistry
) -> None:
    looks = Looks(UnavailableError("no route"))
    looks.refused = {"parts/2": "model.onnx is another"}
    worker = make(looks)
    await worker.begin(settled, lambda: None)
    await asyncio.to_thread(looks.looked.acquire)
    await worker.close()

    assert worker.source == BundleSource(
        "s3://bundles", "no route", {"parts/2": "model.onnx is another"}
    )
    assert registry.get_sample_value("takt_repository_up") == 0
    assert registry.get_sample_value("takt_repository_refused") == 1


async def test_an_unforeseen_failure_does_not_end_the_looks(make: Make, monkeypatch) -> None:
    monkeypatch.setattr("takt.mirroring.worker._AGAIN_S", 0.001)
    worker = make(Looks(RuntimeError("a bug"), False))
    await worker.begin(settled, lambda: None)
    await asyncio.wait_for(worker.next_look(), 10)
    await worker.close()


async def test_without_polling_it_looks_once_and_when_it_is_asked(make: Make) -> None:
    looks = Looks(False)
    worker = make(looks, every_s=0)
    await worker.begin(settled, lambda: None)
    await worker.next_look()
    await asyncio.to_thread(looks.looked.acquire)
    worker.ask()
    await worker.next_look()
    assert await asyncio.to_thread(looks.looked.acquire, True, 10)
    assert not looks.looked.acquire(blocking=False)
    await worker.close()


async def test_a_folder_at_which_another_server_is_at_work_is_asked_for_again(
    make: Make, monkeypatch
) -> None:
    monkeypatch.setattr("takt.mirroring.worker._AGAIN_S", 0.001)
    looks = Looks(None, None, True)
    worker = make(looks, every_s=0)
    await worker.begin(settled, lambda: None)
    await asyncio.wait_for(worker.next_look(), 10)
    assert worker.source.away is None
    await worker.close()


async def test_it_looks_once_what_was_there_is_loaded(make: Make) -> None:
    looks, loaded = Looks(False), asyncio.Event()
    worker = make(looks)
    begun = asyncio.create_task(worker.begin(loaded.wait, lambda: None))
    await asyncio.sleep(0)
    assert not looks.looked.acquire(blocking=False)
    loaded.set()
    await begun
    await worker.next_look()
    await worker.close()
