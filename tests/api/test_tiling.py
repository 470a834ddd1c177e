"""A model that sees pictures in tiles, through the API, on the fake engine."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import cv2
import httpx
import numpy as np
import pytest

from takt.api.model_schemas import ModelOut
from takt.api.schemas import InspectionOut

URL = "/v1/models/parts/inspect"
TILES = {"width": 32, "height": 32, "overlap": 8, "blend": "linear"}

ServeTiled = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def serve_tiled(serve, make_bundle, engines) -> ServeTiled:
    """Like `serve`, with a version 2 that sees tiles; further arguments are settings."""

    @asynccontextmanager
    async def run(**settings: object) -> AsyncIterator[httpx.AsyncClient]:
        make_bundle(version="2", tiling=TILES)
        async with serve(**settings) as client:
            async with asyncio.timeout(60):
                while (await client.get("/health/ready")).status_code != 200:
                    await asyncio.sleep(0)
            for engine in engines:
                engine.batch_sizes.clear()
            yield client

    return run


def encoded(picture: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", picture)
    assert done
    return data.tobytes()


def grey_with_spot(width: int, height: int) -> bytes:
    """Level 50, with 200 in the 10 x 6 pixels from (130, 70) on, where tiles overlap."""
    picture = np.full((height, width, 3), 50, np.uint8)
    picture[70:76, 130:140] = 200
    return encoded(picture)


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await reached():
            await asyncio.sleep(0)


async def test_a_defect_is_found_where_it_is_on_the_whole_picture(serve_tiled, engines) -> None:
    async with serve_tiled(max_batch_size=4) as client:
        answer = (await client.post(URL, content=grey_with_spot(300, 200))).json()
        InspectionOut.model_validate(answer, strict=True)
        assert (answer["version"], answer["anomalous"]) == ("2", True)
        assert answer["score"] == pytest.approx(200 / 255, abs=1e-6)
        assert answer["inspected"] == [0, 0, 300, 200]
        (region,) = answer["regions"]
        assert region["box"] == [130, 70, 10, 6]
        assert region["area"] == 60
        assert region["peak"] == pytest.approx(200 / 255, abs=1e-6)
        assert sum(engines[-1].batch_sizes) == 13 * 8
        assert max(engines[-1].batch_sizes) == 4


@pytest.mark.parametrize("size", [(20, 10), (32, 32), (33, 32), (300, 200)])
async def test_the_raw_map_is_that_of_the_whole_picture(serve_tiled, size) -> None:
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)

    async with serve_tiled() as client:
        answer = (
            await client.post(URL, params={"heatmap": "raw"}, content=encoded(picture))
        ).json()
    raw = np.load(io.BytesIO(base64.b64decode(answer["heatmap"]["data"])))
    assert raw.dtype == np.float32
    if size == (20, 10):
        assert raw.shape == (32, 32)  # one tile, enlarged to the model's input
    else:
        np.testing.assert_allclose(raw, picture.mean(axis=-1) / 255, rtol=0, atol=1e-6)
    assert answer["inspected"] == [0, 0, width, height]


async def test_the_overlay_has_the_picture_s_size(serve_tiled) -> None:
    async with serve_tiled() as client:
        query = {"heatmap": "overlay", "format": "png"}
        answer = (await client.post(URL, params=query, content=grey_with_spot(300, 200))).json()
    drawn = cv2.imdecode(
        np.frombuffer(base64.b64decode(answer["heatmap"]["data"]), np.uint8), cv2.IMREAD_COLOR
    )
    assert drawn.shape == (200, 300, 3)
    assert np.array_equal(drawn[5, 5], [50, 50, 50])


async def test_the_status_says_the_tiles(serve_tiled) -> None:
    async with serve_tiled() as client:
        model = (await client.get("/v1/models/parts")).json()
    ModelOut.model_validate(model)
    assert [version["tiling"] for version in model["versions"]] == [None, TILES]


async def test_a_picture_of_more_tiles_than_the_queue_holds_is_answered(serve_tiled) -> None:
    async with serve_tiled(max_queue_size=1, max_batch_size=8) as client:
        pictures = [client.post(URL, content=grey_with_spot(300, 200)) for _ in range(2)]
        answers = await asyncio.gather(*pictures)
        assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_full_queue_counts_pictures_not_tiles(serve_tiled, engines) -> None:
    async with serve_tiled(max_queue_size=2, max_batch_size=8) as client:
        engine = engines[-1]
        engine.gate.clear()

        async def post() -> httpx.Response:
            return await client.post(URL, content=grey_with_spot(300, 200))

        async def depth() -> float:
            text = (await client.get("/metrics")).text
            line = 'takt_queue_depth{model="parts",version="2"} '
            return float(text.partition(line)[2].split()[0])

        # Two have a turn, two wait for one.
        accepted = [asyncio.create_task(post()) for _ in range(4)]

        async def two_wait() -> bool:
            return await depth() == 2

        await until(two_wait)
        refused = await post()
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert refused.json()["detail"].startswith("2 pictures wait already")
        engine.gate.set()
        answers = await asyncio.gather(*accepted)
        assert [answer.status_code for answer in answers] == [200] * 4


async def test_an_engine_that_fails_fails_the_picture_and_the_next_is_answered(
    serve_tiled, engines
) -> None:
    async with serve_tiled() as client:
        engines[-1].fail = True
        failed = await client.post(URL, content=grey_with_spot(300, 200))
        assert (failed.status_code, failed.json()["code"]) == (500, "engine_failed")
        engines[-1].fail = False
        assert (await client.post(URL, content=grey_with_spot(300, 200))).status_code == 200


async def test_one_timeout_covers_all_tiles(serve_tiled, engines) -> None:
    async with serve_tiled() as client:
        engines[-1].gate.clear()
        late = await client.post(URL, params={"timeout_ms": 50}, content=grey_with_spot(300, 200))
        assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
        engines[-1].gate.set()
        assert (await client.post(URL, content=grey_with_spot(300, 200))).status_code == 200


async def test_closing_answers_a_picture_whose_tiles_are_not_all_queued(
    serve_tiled, engines
) -> None:
    async with serve_tiled() as client:
        engines[-1].gate.clear()
        post = client.post(URL, content=grey_with_spot(300, 200))
        answering = asyncio.create_task(post)

        async def runs() -> bool:
            await asyncio.sleep(0)
            return bool(engines[-1].batch_sizes)

        await until(runs)
    assert (await answering).status_code == 200
