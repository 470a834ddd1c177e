"""Pictures of the Open Inference Protocol in the queue: room, batches, deadlines, hang-ups."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from takt.app import create_app
from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.settings import Settings
from tests.api.apps import Caller, idle, until
from tests.api.oip.requests import (
    INFER,
    REST,
    in_binary,
    in_json,
    outputs_of,
)


async def test_pictures_of_one_request_form_batches_and_keep_their_order(
    serve, engines: list[FakeEngine], picture_bytes
) -> None:
    levels = list(range(10, 250, 20))

    async with serve(max_batch_size=8) as client:
        engines[0].gate.clear()
        pictures = [picture_bytes(level) for level in levels]
        asked = asyncio.create_task(client.post(INFER, **in_binary(pictures)))
        async with asyncio.timeout(60):
            while (
                'takt_queue_depth{model="parts",version="1"} 11.0'
                not in (await client.get("/metrics")).text
            ):
                await asyncio.sleep(0)
        engines[0].gate.set()
        scores = outputs_of(await asked)["score"]
        assert scores == pytest.approx([level / 255 for level in levels], abs=1e-6)
        assert engines[0].batch_sizes == [1, 8, 3]


@pytest.mark.parametrize("parameters", [{"timeout": 30_000}, {"timeout_ms": 30.0}])
async def test_a_timeout_ends_every_picture_of_the_request(
    serve, engines: list[FakeEngine], bad_part, parameters
) -> None:
    async with serve() as client:
        engines[0].gate.clear()
        request = in_json([bad_part] * 3, parameters=parameters)
        response = await client.post(INFER, json=request)
        assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
        metrics = (await client.get("/metrics")).text
        assert 'takt_queue_depth{model="parts",version="1"} 0.0' in metrics
        engines[0].gate.set()
        assert (await client.post(INFER, json=in_json([bad_part]))).status_code == 200


@pytest.mark.parametrize("priority", ["bulk", 2])
async def test_bulk_finds_half_of_the_queue(serve, engines, bad_part, priority) -> None:
    async with serve(max_queue_size=4) as client:
        line, bulk = (
            in_json([bad_part] * 3, parameters={"priority": one}) for one in (1, priority)
        )
        assert (await client.post(INFER, json=line)).status_code == 200
        refused = await client.post(INFER, json=bulk)
        assert refused.status_code == 422
        assert "send 1 to 2 in one request of this priority" in refused.json()["detail"]


async def test_more_pictures_than_find_room_are_refused_as_by_rest(
    serve, engines: list[FakeEngine], bad_part
) -> None:
    async with serve(max_queue_size=2) as client:
        engines[0].gate.clear()
        model = foundation_of(client._transport.app).models.repository.get("parts")
        waiting = [asyncio.create_task(client.post(REST, content=bad_part))]
        await until(lambda: engines[0].batch_sizes == [1])
        waiting.append(asyncio.create_task(client.post(REST, content=bad_part)))
        await until(lambda: model.depth == 1)
        refused = await client.post(INFER, json=in_json([bad_part] * 2))
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"] == refused.json()["detail"]
        engines[0].gate.set()
        assert [response.status_code for response in await asyncio.gather(*waiting)] == [200] * 2
        assert sum(engines[0].batch_sizes) == 2


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def make_app(bundle: Bundle, repository, engine: FakeEngine) -> Callable[..., Any]:
    return lambda **settings: create_app(
        Settings(repository=repository, **settings), lambda _: engine
    )


async def test_a_caller_that_hangs_up_leaves_the_queue_with_all_its_pictures(
    make_app, engine, bad_part
) -> None:
    app = make_app()
    async with app.router.lifespan_context(app):
        await idle(app)
        engine.gate.clear()
        model = foundation_of(app).models.repository.get("parts")
        caller = Caller(app, path=INFER)
        caller.say(json.dumps(in_json([bad_part] * 4)).encode())
        await until(lambda: model.depth == 3)
        caller.hang_up()
        assert await caller.status() == 499
        assert model.depth == 0
        engine.gate.set()


async def test_a_full_queue_refuses_before_a_byte_of_the_body_is_read(
    make_app, engine, bad_part
) -> None:
    app = make_app(max_queue_size=1)
    async with app.router.lifespan_context(app):
        await idle(app)
        engine.gate.clear()
        body = json.dumps(in_json([bad_part])).encode()
        engine.batch_sizes.clear()
        running = Caller(app, path=INFER)
        running.say(body)
        await until(lambda: engine.batch_sizes == [1])
        # Only now, lest it find the first one still on its way to the engine.
        waiting = Caller(app, path=INFER)
        waiting.say(body)
        model = foundation_of(app).models.repository.get("parts")
        await until(lambda: model.depth == 1)
        assert await Caller(app, path=INFER).status() == 429
        engine.gate.set()
        assert [await running.status(), await waiting.status()] == [200, 200]


async def test_bodies_that_are_on_their_way_hold_no_place_in_the_queue(make_app, bad_part) -> None:
    app = make_app(max_queue_size=1)
    async with app.router.lifespan_context(app):
        await idle(app)
        slow = Caller(app, path=INFER)
        body = json.dumps(in_json([bad_part])).encode()
        slow.say(body[:50], more=True)
        await until(slow.messages.empty)
        quick = Caller(app, path=INFER)
        quick.say(body)
        assert await quick.status() == 200
        slow.say(body[50:])
        assert await slow.status() == 200


async def test_a_body_that_does_not_come_to_its_end_meets_the_servers_timeout(make_app) -> None:
    app = make_app(timeout_ms=20.0)
    async with app.router.lifespan_context(app):
        await idle(app)
        slow = Caller(app, path=INFER)
        slow.say(b"{", more=True)
        assert await slow.status() == 504
