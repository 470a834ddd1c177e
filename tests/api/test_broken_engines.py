"""Engines that hang, die, fail or answer nonsense: what callers see, and how the service mends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.batching.watch import RunLimits
from service.bundles.bundle import Bundle
from service.engines.fake import FakeEngine, FakeFault
from service.errors import BundleError
from service.observing.model_metrics import AnswerMetrics, BatchMetrics
from service.repository.supervision.rules import Supervision
from tests.api.conftest import Serve
from tests.api.test_stream import connect, hear

INSPECT = "/v1/models/parts/inspect"

QUICK = Supervision(
    runs=RunLimits(least_s=0.3, first_s=0.3, factor=1.0, look_every_s=0.02, failures=3),
    pause_s=0.01,
    most_pause_s=0.02,
    least_s=5.0,
)
"""The rules of the service, in a hurry."""

Post = Callable[..., Any]


class Plant:
    """A server of fake engines, and its client."""

    def __init__(self, client: httpx.AsyncClient, engines: list[FakeEngine], picture: bytes):
        self.client = client
        self.engines = engines
        self.picture = picture

    async def post(self, path: str = INSPECT) -> tuple[int, str]:
        """Status, and code of the error, if it is one."""
        answer = await self.client.post(path, content=self.picture)
        body = answer.json()
        return answer.status_code, body.get("code") or "verdict"

    async def ready(self) -> bool:
        return (await self.client.get("/health/ready")).status_code == 200

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)

    async def until_ready(self) -> None:
        async with asyncio.timeout(20):
            while not await self.ready():
                await asyncio.sleep(0.001)

    async def metric(self, line: str) -> float:
        text = (await self.client.get("/metrics")).text
        (found,) = (one for one in text.splitlines() if one.startswith(line + " "))
        return float(found.split()[-1])

    async def count(self, name: str, reason: str) -> float:
        return await self.metric(f'{name}_total{{model="parts",reason="{reason}"}}')


@pytest.fixture
def plant(serve: Serve, engines: list[FakeEngine], picture_bytes) -> Callable[..., Any]:
    @asynccontextmanager
    async def run(*, shareable: bool = False, **settings: Any) -> AsyncIterator[Plant]:
        def open_engine(_: Bundle) -> FakeEngine:
            engine = FakeEngine()
            engine.shareable = shareable
            engines.append(engine)
            return engine

        options = {"open_engine": open_engine, "supervision": QUICK} | settings
        async with serve(**options) as client:
            yield Plant(client, engines, picture_bytes())

    return run


def break_next(engine: FakeEngine, *faults: FakeFault | None) -> None:
    engine.faults = iter(faults)


async def test_a_hung_engine_fails_its_callers_and_another_is_opened_beside_it(plant) -> None:
    async with plant() as found:
        hung = found.engines[0]
        break_next(hung, "hang")
        assert await found.post() == (503, "engine_hung")
        await found.until(lambda: len(found.engines) == 2)
        await found.until_ready()
        assert await found.post() == (200, "verdict")
        assert await found.count("takt_engine_faults", "hung") == 1
        assert await found.count("takt_engine_restarts", "hung") == 1
        assert await found.metric("takt_engine_threads_lost") == 1
        # Nobody closes an engine that a thread is in.
        assert not hung.closed
        hung.released.set()
        await found.until(lambda: hung.closed)
        assert await found.metric("takt_engine_threads_lost") == 0


async def test_a_model_without_a_working_engine_is_not_ready_and_refuses_at_once(plant) -> None:
    broken = False

    def open_engine(_: Bundle) -> FakeEngine:
        if broken:
            raise BundleError("the GPU is lost")
        opened.append(FakeEngine())
        return opened[-1]

    opened: list[FakeEngine] = []
    async with plant(open_engine=open_engine) as found:
        broken = True
        break_next(opened[0], "die")
        assert await found.post() == (503, "engine_died")
        refused = await found.client.post(INSPECT, content=found.picture)
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        assert int(refused.headers["Retry-After"]) >= 1
        state = (await found.client.get("/health/ready")).json()
        assert not state["ready"]
        assert state["models"][0]["reason"] == "its engine has died, and is being mended"
        assert await found.metric('takt_model_ready{model="parts",version="1"}') == 0
        assert await found.metric('takt_engines_working{model="parts",version="1"}') == 0
        assert (await found.client.get("/health/live")).status_code == 200
        broken = False
        await found.until_ready()
        assert (await found.client.get("/health/ready")).json()["models"][0]["reason"] is None
        assert await found.post() == (200, "verdict")


async def test_an_engine_whose_thread_died_is_closed_and_replaced(plant) -> None:
    async with plant() as found:
        break_next(found.engines[0], "die")
        assert await found.post() == (503, "engine_died")
        await found.until(lambda: len(found.engines) == 2)
        await found.until_ready()
        assert await found.post() == (200, "verdict")
        await found.until(lambda: found.engines[0].closed)
        assert await found.count("takt_engine_restarts", "died") == 1


async def test_pictures_that_wait_behind_a_broken_engine_are_answered(plant) -> None:
    async with plant(max_batch_size=1) as found:
        engine = found.engines[0]
        engine.gate.clear()
        break_next(engine, "die")
        posts = [asyncio.create_task(found.post()) for _ in range(4)]
        async with asyncio.timeout(20):
            while await found.metric('takt_queue_depth{model="parts",version="1"}') < 3:
                await asyncio.sleep(0)
        engine.gate.set()
        answers = sorted(await asyncio.gather(*posts))
        assert answers == [(200, "verdict")] * 3 + [(503, "engine_died")]


async def test_an_engine_that_fails_in_a_row_rests_until_its_golden_answers_are_right(
    plant,
) -> None:
    async with plant() as found:
        (engine,) = found.engines
        engine.fail = True
        assert [await found.post() for _ in range(3)] == [(500, "engine_failed")] * 3
        assert not await found.ready()
        assert await found.post() == (503, "not_ready")
        engine.fail = False
        await found.until_ready()
        assert await found.post() == (200, "verdict")
        assert await found.count("takt_engine_faults", "failing") == 1


async def test_an_engine_whose_golden_answers_stay_wrong_is_replaced(plant) -> None:
    async with plant() as found:
        found.engines[0].fail = True
        for _ in range(3):
            assert await found.post() == (500, "engine_failed")
        await found.until_ready()
        assert len(found.engines) == 2
        assert found.engines[0].closed
        assert await found.post() == (200, "verdict")
        assert await found.count("takt_engine_restarts", "failing") == 1


@pytest.mark.parametrize("fault", ["raise", "nan", "wrong_shape", "wrong_type"])
async def test_an_answer_unlike_the_golden_ones_is_never_a_verdict(plant, fault) -> None:
    async with plant() as found:
        break_next(found.engines[0], fault, None, fault, fault, fault)
        assert await found.post() == (500, "engine_failed")
        assert await found.post() == (200, "verdict")
        for _ in range(3):
            assert await found.post() == (500, "engine_failed")
        # It counts as a failure of the engine.
        assert await found.count("takt_engine_faults", "failing") == 1
        await found.until_ready()


async def test_a_batch_too_large_for_the_memory_is_answered_picture_by_picture(plant) -> None:
    async with plant(max_batch_size=8) as found:
        engine = found.engines[0]
        engine.gate.clear()
        posts = [asyncio.create_task(found.post()) for _ in range(7)]
        async with asyncio.timeout(20):
            while await found.metric('takt_queue_depth{model="parts",version="1"}') < 6:
                await asyncio.sleep(0)
        engine.most = 1
        engine.gate.set()
        assert [await post for post in posts] == [(200, "verdict")] * 7
        assert 6 in engine.batch_sizes
        assert await found.ready()


async def test_a_picture_that_finds_no_memory_is_to_come_again(plant) -> None:
    async with plant() as found:
        break_next(found.engines[0], "out_of_memory")
        assert await found.post() == (503, "engine_out_of_memory")
        assert await found.post() == (200, "verdict")


async def test_a_broken_model_disturbs_no_other(plant, make_bundle) -> None:
    make_bundle("nuts")
    async with plant() as found:
        nuts, parts = found.engines
        break_next(parts, "hang")
        inside = asyncio.create_task(found.post())
        await found.until(lambda: bool(parts.batch_sizes))
        assert await found.post("/v1/models/nuts/inspect") == (200, "verdict")
        assert await inside == (503, "engine_hung")
        assert await found.post("/v1/models/nuts/inspect") == (200, "verdict")
        assert not nuts.closed
        await found.until_ready()


async def test_other_instances_serve_on_while_one_hangs_and_the_model_stays_ready(plant) -> None:
    async with plant(engine_instances=2) as found:
        break_next(found.engines[0], "hang")
        break_next(found.engines[1], "hang")
        inside = asyncio.create_task(found.post())
        await found.until(lambda: any(engine.batch_sizes for engine in found.engines))
        for engine in found.engines:
            break_next(engine)
        assert await found.post() == (200, "verdict")
        assert await inside == (503, "engine_hung")
        assert await found.ready()
        assert await found.post() == (200, "verdict")
        await found.until(lambda: len(found.engines) == 3)
        working = 'takt_engines_working{model="parts",version="1"}'
        async with asyncio.timeout(20):
            while await found.metric(working) < 2:
                await asyncio.sleep(0.001)


async def test_a_shared_engine_is_replaced_for_all_its_instances(plant) -> None:
    async with plant(engine_instances=2, shareable=True) as found:
        (shared,) = found.engines
        break_next(shared, "hang")
        assert await found.post() == (503, "engine_hung")
        await found.until(lambda: len(found.engines) == 2)
        working = 'takt_engines_working{model="parts",version="1"}'
        async with asyncio.timeout(20):
            while await found.metric(working) < 2:
                await asyncio.sleep(0.001)
        shared.batch_sizes.clear()
        assert [await found.post() for _ in range(4)] == [(200, "verdict")] * 4
        assert shared.batch_sizes == []
        assert not shared.closed
        shared.released.set()
        await found.until(lambda: shared.closed)


async def test_a_stream_is_told_of_the_frame_that_was_lost_and_goes_on(plant) -> None:
    async with plant() as found, connect(found.client) as socket:
        await socket.hello()
        break_next(found.engines[0], "hang")
        socket.frame(0, found.picture)
        (lost,) = await hear(socket, 1)
        assert (lost["type"], lost["sequence"], lost["code"]) == ("error", 0, "engine_hung")
        await found.until_ready()
        socket.frame(1, found.picture)
        (answered,) = await hear(socket, 1)
        assert (answered["type"], answered["sequence"]) == ("answer", 1)


async def test_a_rollback_leads_away_from_a_broken_engine_and_no_activation_to_it(
    plant, make_bundle
) -> None:
    make_bundle(version="2")
    broken = False
    opened: list[FakeEngine] = []

    def open_engine(_: Bundle) -> FakeEngine:
        if broken:
            raise BundleError("the GPU is lost")
        opened.append(FakeEngine())
        return opened[-1]

    async with plant(open_engine=open_engine) as found:
        broken = True
        break_next(opened[1], "die")
        assert await found.post() == (503, "engine_died")
        assert not await found.ready()
        activated = await found.client.post("/v1/models/parts/versions/1/activate")
        assert activated.status_code == 200
        assert await found.post() == (200, "verdict")
        assert await found.ready()
        refused = await found.client.post("/v1/models/parts/versions/2/activate")
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")


async def test_a_broken_counter_kills_no_engine(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*_: object) -> None:
        raise ValueError("a broken counter")

    async with plant() as found:
        monkeypatch.setattr(BatchMetrics, "on_batch", raising)
        assert [await found.post() for _ in range(4)] == [(200, "verdict")] * 4
        assert await found.metric('takt_counting_errors_total{model="parts"}') == 4


async def test_a_broken_counter_of_answers_harms_no_answer(
    plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(*_: object) -> None:
        raise ValueError("a broken counter")

    async with plant() as found:
        monkeypatch.setattr(AnswerMetrics, "count", raising)
        monkeypatch.setattr("service.observing.journal._MOST_PENDING", 1)
        assert [await found.post() for _ in range(4)] == [(200, "verdict")] * 4
        assert await found.metric('takt_counting_errors_total{model="parts"}') == 4


async def test_an_engine_that_hangs_while_its_model_loads_keeps_no_other_model_waiting(
    plant, make_bundle
) -> None:
    make_bundle("nuts")
    opened: list[FakeEngine] = []

    def open_engine(_: Bundle) -> FakeEngine:
        opened.append(FakeEngine(["hang"] if not opened else []))
        return opened[-1]

    rules = Supervision(first_check_s=0.3)
    async with plant(open_engine=open_engine, supervision=rules) as found:
        states = {
            model["name"]: (model["state"], model["reason"])
            for model in (await found.client.get("/health/ready")).json()["models"]
        }
        assert states["parts"] == ("ready", None)
        assert states["nuts"][0] == "failed"
        assert "has not ended within" in (states["nuts"][1] or "")
        assert await found.post() == (200, "verdict")
        opened[0].released.set()
        await found.until(lambda: opened[0].closed)


async def test_when_three_threads_hang_the_process_is_told_to_end(plant) -> None:
    async with plant() as found:
        lost = found.client._transport.app.state.lost_threads
        for engines in (1, 2, 3):
            assert not lost.too_many.is_set()
            await found.until(lambda engines=engines: len(found.engines) == engines)
            await found.until_ready()
            break_next(found.engines[-1], "hang")
            assert await found.post() == (503, "engine_hung")
        await found.until(lost.too_many.is_set)


async def test_closing_the_app_waits_for_no_thread_that_hangs(plant) -> None:
    async with asyncio.timeout(20):
        async with plant(drain_timeout_s=600) as found:
            engine = found.engines[0]
            break_next(engine, "hang")
            assert await found.post() == (503, "engine_hung")
            # The fixture would let the thread go before the app has closed.
            held, engine.released = engine.released, threading.Event()
    assert not engine.closed
    held.set()


def closed(engines: Iterable[FakeEngine]) -> list[bool]:
    return [engine.closed for engine in engines]


async def test_an_engine_that_hangs_at_its_golden_check_is_given_up_and_another_tried(
    plant, repository: Path
) -> None:
    opened: list[FakeEngine] = []

    def open_engine(_: Bundle) -> FakeEngine:
        opened.append(FakeEngine(["hang"] if len(opened) == 1 else []))
        return opened[-1]

    rules = Supervision(runs=QUICK.runs, pause_s=0.01, most_pause_s=0.02, least_s=0.3, factor=1.0)
    async with plant(open_engine=open_engine, supervision=rules) as found:
        break_next(opened[0], "die")
        assert await found.post() == (503, "engine_died")
        await found.until(lambda: len(opened) == 3)
        await found.until_ready()
        assert await found.post() == (200, "verdict")
        opened[1].released.set()
        await found.until(lambda: opened[1].closed)
        assert closed(opened) == [True, True, False]
