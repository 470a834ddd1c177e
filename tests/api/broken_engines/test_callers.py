"""Engines that hang, die, fail or answer nonsense: what callers see, and how the service mends."""

from __future__ import annotations

import asyncio

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.core.errors import BundleError
from takt.observing.instruments.model_metrics import AnswerMetrics, BatchMetrics
from tests.api.broken_engines.plant import INSPECT, break_next
from tests.api.stream.socket import connect, hear


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
        async with asyncio.timeout(60):
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
        async with asyncio.timeout(60):
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
        monkeypatch.setattr("takt.observing.journal._MOST_PENDING", 1)
        assert [await found.post() for _ in range(4)] == [(200, "verdict")] * 4
        assert await found.metric('takt_counting_errors_total{model="parts"}') == 4
