"""The pace at which a broken engine is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.domain import EngineFault
from takt.core.engines.fake import FakeEngine
from takt.core.engines.opener import OpenedEngine
from takt.core.engines.options import EnginePlan
from takt.core.errors import BundleError
from takt.repository.supervision.engine_room import EngineRoom
from takt.repository.supervision.lost_threads import LostThreads
from takt.repository.supervision.rules import Supervision
from takt.repository.supervision.supervisor import Supervisor


@dataclass
class Rig:
    """A supervisor before a batcher that only notes what it is told, on a clock of its own."""

    bundle: Bundle
    openings: list[object] = field(default_factory=list)
    """What the next openings give: an engine, or an error that they raise."""

    pauses: list[float] = field(default_factory=list)
    opened: list[FakeEngine] = field(default_factory=list)
    works: bool = True
    now_s: float = 1000.0

    def open_engine(self, _: Bundle) -> OpenedEngine:
        found = self.openings.pop(0) if self.openings else FakeEngine()
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, FakeEngine)
        self.opened.append(found)
        plan = EnginePlan(
            "onnxruntime", "cpu", "fp32", None, self.bundle.model_path, 1, 1, max_batch_size=1
        )
        return OpenedEngine(found, plan)

    def replace(self, place: int, runner: object) -> asyncio.Future[None]:
        self.works = True
        ended = asyncio.get_running_loop().create_future()
        ended.set_result(None)
        return ended

    @asynccontextmanager
    async def supervised(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Supervisor]:
        sleep = asyncio.sleep

        async def pause(wait_s: float) -> None:
            self.pauses.append(wait_s)
            self.now_s += wait_s
            await sleep(0)

        rules, lost = Supervision(), LostThreads(3)
        room = EngineRoom("parts 1", self.open_engine, rules, lost)
        engines = [await room.open(self.bundle)]
        supervisor = Supervisor("parts 1", self.bundle, engines, room, lost, MagicMock(), rules)
        batcher: Any = Mock(works=lambda place: self.works, replace=self.replace)
        supervisor.begin(batcher)
        where = "takt.repository.supervision.supervisor"
        monkeypatch.setattr(f"{where}.asyncio", Mock(wraps=asyncio, sleep=pause))
        monkeypatch.setattr(f"{where}.time", Mock(monotonic=lambda: self.now_s))
        try:
            yield supervisor
        finally:
            await supervisor.close()

    async def broken(self, supervisor: Supervisor, fault: EngineFault) -> None:
        """Break the engine, and wait until it is mended."""
        self.works = False
        supervisor.broken(0, fault, asyncio.get_running_loop().create_future())
        assert supervisor.trouble is not None
        async with asyncio.timeout(60):
            await asyncio.wait(supervisor._mending)
        assert supervisor.trouble is None


@pytest.fixture
def rig(bundle: Bundle) -> Rig:
    return Rig(bundle)


async def test_an_engine_that_fails_is_asked_three_times_and_then_replaced(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.supervised(monkeypatch) as supervisor:
        rig.opened[0].fail = True
        await rig.broken(supervisor, "failing")
        assert rig.pauses == [1.0, 2.0, 4.0, 0.0]
        assert len(rig.opened) == 2
        assert rig.opened[0].closed


async def test_an_engine_that_hangs_is_replaced_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.supervised(monkeypatch) as supervisor:
        await rig.broken(supervisor, "hung")
        assert rig.pauses == [0.0]
        assert [engine.closed for engine in rig.opened] == [False, False]


async def test_an_engine_that_cannot_be_opened_is_tried_less_and_less_often(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.supervised(monkeypatch) as supervisor:
        rig.openings = [BundleError("the GPU is lost")] * 9
        await rig.broken(supervisor, "died")
        assert rig.pauses == [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]


async def test_another_engine_that_drifts_takes_no_pictures(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.supervised(monkeypatch) as supervisor:
        rig.openings = [FakeEngine(["nan"] * 4)]
        await rig.broken(supervisor, "died")
        assert len(rig.opened) == 3
        assert rig.opened[1].closed


async def test_an_engine_that_breaks_soon_again_is_tried_later_and_a_sound_one_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.supervised(monkeypatch) as supervisor:
        for _ in range(3):
            await rig.broken(supervisor, "hung")
        assert rig.pauses == [0.0, 2.0, 4.0]
        rig.now_s += 61.0
        await rig.broken(supervisor, "hung")
        assert rig.pauses[3:] == [0.0]


async def test_who_comes_meanwhile_is_told_when_the_next_try_is(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.supervised(monkeypatch) as supervisor:
        rig.openings = [BundleError("the GPU is lost")] * 4
        await rig.broken(supervisor, "died")
        rig.now_s -= 12.5
        assert supervisor.outage().headers == {"Retry-After": "13"}
