"""A broken engine and what is around it: other models, instances, versions and the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.core.errors import BundleError
from takt.parts.composing.assembly import foundation_of
from takt.repository.supervision.rules import Supervision
from tests.api.broken_engines.plant import QUICK, break_next


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
        async with asyncio.timeout(60):
            while await found.metric(working) < 2:
                await asyncio.sleep(0.001)


async def test_a_shared_engine_is_replaced_for_all_its_instances(plant) -> None:
    async with plant(engine_instances=2, shareable=True) as found:
        (shared,) = found.engines
        break_next(shared, "hang")
        assert await found.post() == (503, "engine_hung")
        await found.until(lambda: len(found.engines) == 2)
        working = 'takt_engines_working{model="parts",version="1"}'
        async with asyncio.timeout(60):
            while await found.metric(working) < 2:
                await asyncio.sleep(0.001)
        shared.batch_sizes.clear()
        assert [await found.post() for _ in range(4)] == [(200, "verdict")] * 4
        assert shared.batch_sizes == []
        assert not shared.closed
        shared.released.set()
        await found.until(lambda: shared.closed)


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


async def test_an_engine_that_hangs_while_its_model_loads_keeps_no_other_model_waiting(
    plant, make_bundle
) -> None:
    make_bundle("nuts")
    opened: list[FakeEngine] = []

    def open_engine(_: Bundle) -> FakeEngine:
        opened.append(FakeEngine(["hang"] if not opened else []))
        return opened[-1]

    rules = Supervision(first_check_s=1.0)
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
        lost = foundation_of(found.client._transport.app).models.context.lost
        for engines in (1, 2, 3):
            assert not lost.too_many.is_set()
            await found.until(lambda engines=engines: len(found.engines) == engines)
            await found.until_ready()
            break_next(found.engines[-1], "hang")
            assert await found.post() == (503, "engine_hung")
        await found.until(lost.too_many.is_set)


async def test_closing_the_app_waits_for_no_thread_that_hangs(plant) -> None:
    async with asyncio.timeout(60):
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

    rules = Supervision(runs=QUICK.runs, pause_s=0.01, most_pause_s=0.02, least_s=1.0, factor=1.0)
    async with plant(open_engine=open_engine, supervision=rules) as found:
        break_next(opened[0], "die")
        assert await found.post() == (503, "engine_died")
        await found.until(lambda: len(opened) == 3)
        await found.until_ready()
        assert await found.post() == (200, "verdict")
        opened[1].released.set()
        await found.until(lambda: opened[1].closed)
        assert closed(opened) == [True, True, False]
