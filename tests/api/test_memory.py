"""One budget for the memory of pictures in flight, in all models and protocols."""

from __future__ import annotations

import asyncio
import json

import cv2
import httpx
import numpy as np
import pytest

from takt.app import create_app
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.settings import Settings
from tests.api.apps import idle, until

KIB = 1024
SIDE = 190
"""Kept, such a picture takes 106 KiB, so one fits into the share of a budget of 1 MiB."""

URL = "/v1/models/parts/inspect"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def make_app(bundle, repository, engine):
    return lambda **settings: create_app(
        Settings(repository=repository, **settings), lambda _: engine
    )


def noise(side: int = SIDE, seed: int = 0) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(coarse, (side, side)))[1].tobytes()


def client_of(app) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_pictures_that_wait_to_be_drawn_on_stay_within_the_budget(make_app, engine) -> None:
    roomy, narrow = make_app(), make_app(max_memory_mb=1)
    pictures = [noise(seed=seed) for seed in range(24)]
    query = {"heatmap": "overlay", "format": "png"}
    answers: list[list[str]] = []
    for app in (roomy, narrow):
        async with app.router.lifespan_context(app), client_of(app) as client:
            await idle(app)
            engine.gate.clear()
            asked = [
                asyncio.create_task(client.post(URL, params=query, content=one)) for one in pictures
            ]
            model = foundation_of(app).models.repository.get("parts")
            await until(lambda model=model: model.depth == len(pictures) - 1)
            if app is narrow:
                kept = foundation_of(app).memory.in_use_bytes - sum(map(len, pictures))
                assert kept <= (128 + 512) * KIB  # one kept, and one at work on the engine's thread
            engine.gate.set()
            answered = [(await one).json() for one in asked]
            answers.append([answer["heatmap"]["data"] for answer in answered])
            assert foundation_of(app).memory.in_use_bytes == 0
    assert answers[0] == answers[1]


async def test_a_picture_beyond_the_budget_gets_429_and_the_others_their_answers(
    make_app, engine
) -> None:
    app = make_app(max_memory_mb=1)
    picture = noise() + bytes(150 * KIB)
    async with app.router.lifespan_context(app), client_of(app) as client:
        await idle(app)
        engine.gate.clear()
        waiting = [asyncio.create_task(client.post(URL, content=picture)) for _ in range(2)]
        await until(lambda: foundation_of(app).memory.in_use_bytes >= 2 * len(picture))
        refused = await client.post(URL, content=picture)
        assert refused.status_code == 429
        assert refused.json()["code"] == "memory_full"
        assert refused.headers["Retry-After"] == "1"
        engine.gate.set()
        assert [(await one).status_code for one in waiting] == [200, 200]
        assert (await client.post(URL, content=picture)).status_code == 200
        assert foundation_of(app).memory.in_use_bytes == 0


@pytest.mark.parametrize(
    ("picture", "query"),
    [
        (noise() + bytes(400 * KIB), {}),
        (noise(side=300), {}),
        (noise(side=220), {"heatmap": "overlay"}),
    ],
    ids=["bytes", "pixels", "heatmap"],
)
async def test_a_picture_that_can_never_fit_gets_413_and_what_to_do(
    make_app, picture, query
) -> None:
    app = make_app(max_memory_mb=1)
    async with app.router.lifespan_context(app), client_of(app) as client:
        await idle(app)
        answer = await client.post(URL, content=picture, params=query)
        if "heatmap" in query:
            assert (await client.post(URL, content=picture)).status_code == 200
        assert foundation_of(app).memory.in_use_bytes == 0
    assert answer.status_code == 413
    assert "raise max_memory_mb" in answer.json()["detail"]


async def test_a_body_is_refused_by_its_announced_length_before_it_comes(make_app) -> None:
    app = make_app(max_memory_mb=1)

    async def nothing():
        raise AssertionError("the body was read")
        yield b""

    async with app.router.lifespan_context(app), client_of(app) as client:
        await idle(app)
        headers = {"Content-Length": str(400 * KIB)}
        answer = await client.post(URL, content=nothing(), headers=headers)
    assert answer.status_code == 413


async def test_a_request_of_the_open_inference_protocol_counts_with_all_its_pictures(
    make_app,
) -> None:
    app = make_app(max_memory_mb=1)
    picture = noise() + bytes(100 * KIB)
    tensor = {
        "name": "image",
        "shape": [2],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": 2 * (len(picture) + 4)},
    }
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "score"}]}).encode()
    body = head + 2 * (len(picture).to_bytes(4, "little") + picture)
    headers = {"Inference-Header-Content-Length": str(len(head))}
    async with app.router.lifespan_context(app), client_of(app) as client:
        await idle(app)
        answer = await client.post("/v2/models/parts/infer", content=body, headers=headers)
        assert answer.status_code == 413
        assert foundation_of(app).memory.in_use_bytes == 0


async def test_the_metrics_tell_what_is_in_flight_and_the_limit(make_app, engine) -> None:
    app = make_app(max_memory_mb=1)
    async with app.router.lifespan_context(app), client_of(app) as client:
        await idle(app)
        assert "takt_memory_in_flight_bytes 0.0" in (await client.get("/metrics")).text
        engine.gate.clear()
        asked = asyncio.create_task(client.post(URL, content=noise()))
        await until(lambda: engine.batch_sizes[-1:] == [1])
        metrics = (await client.get("/metrics")).text
        assert "takt_memory_in_flight_bytes 0.0" not in metrics
        assert "takt_memory_in_flight_limit_bytes 1.048576e+06" in metrics
        engine.gate.set()
        await asked
