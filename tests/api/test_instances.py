"""Engine instances: how many engines they are, and that they work at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from tests.api.conftest import Serve

INSPECT = "/v1/models/parts/inspect"


@pytest.mark.parametrize(("shareable", "opened"), [(True, 1), (False, 3)])
def test_an_engine_that_can_be_shared_is_opened_once(
    serve: Serve, engines: list[FakeEngine], shareable: bool, opened: int
) -> None:
    async def test() -> None:
        def open_engine(_: Bundle) -> FakeEngine:
            engine = FakeEngine()
            engine.shareable = shareable
            engines.append(engine)
            return engine

        async with serve(open_engine=open_engine, engine_instances=3) as client:
            assert (await client.get("/health/ready")).json()["ready"]
            assert len(engines) == opened
        assert all(engine.closed for engine in engines)

    asyncio.run(test())


def test_all_instances_of_a_shared_engine_work_at_the_same_time(
    serve: Serve, engines: list[FakeEngine], picture_bytes: Callable[..., bytes]
) -> None:
    async def test() -> None:
        def open_engine(_: Bundle) -> FakeEngine:
            engine = FakeEngine()
            engine.shareable = True
            engines.append(engine)
            return engine

        async with serve(open_engine=open_engine, engine_instances=3, max_batch_size=1) as client:
            (engine,) = engines
            engine.gate.clear()
            posts = [
                asyncio.create_task(client.post(INSPECT, content=picture_bytes())) for _ in range(3)
            ]
            async with asyncio.timeout(60):
                while len(engine.batch_sizes) < 3:
                    await asyncio.sleep(0)
            engine.gate.set()
            assert [(await post).status_code for post in posts] == [200] * 3

    asyncio.run(test())
