"""A model that inspects a part of the picture: what its status says, and what an answer leaves out.

The fake engine masks nothing, so that what is seen here is the service's own doing.
"""

import asyncio
import base64

import cv2
import httpx
import numpy as np
import pytest

from takt.core.bundles.region import Roi

URL = "/v1/models/parts/inspect"

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


async def all_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0)


@pytest.fixture
def left_half(make_bundle, bundle) -> None:
    """Version 2 inspects the left half only; outside, its map would hold 0.3."""
    make_bundle(version="2", roi=Roi(polygons=(LEFT,), share=0.5, outside=0.3))


async def test_the_status_says_what_counts(serve, left_half) -> None:
    async with serve() as client:
        await all_ready(client)
        versions = (await client.get("/v1/models/parts")).json()["versions"]
        of = {version["version"]: version["roi"] for version in versions}
        assert of["1"] is None
        assert of["2"] == {
            "share": 0.5,
            "mask": False,
            "polygons": [[list(corner) for corner in LEFT]],
            "exclude": [],
        }


async def test_no_threshold_is_low_enough_to_find_a_region_outside(
    serve, left_half, picture_bytes
) -> None:
    async with serve() as client:
        await all_ready(client)
        spotted = picture_bytes(50, spot=200)
        for threshold, found in ((-1, [[16, 12, 16, 12]]), (0.9, [])):
            query = {"pixel_threshold": threshold}
            answer = (await client.post(URL, params=query, content=spotted)).json()
            assert [region["box"] for region in answer["regions"]] == found
        url = "/v1/models/parts/versions/1/inspect"
        whole = await client.post(url, params={"pixel_threshold": -1}, content=spotted)
        assert [region["box"] for region in whole.json()["regions"]] == [[0, 0, 64, 48]]


async def test_the_overlay_shows_what_counts(serve, left_half, picture_bytes) -> None:
    async with serve() as client:
        await all_ready(client)
        query = {"heatmap": "overlay", "format": "png"}
        answer = await client.post(URL, params=query, content=picture_bytes(100))
        data = base64.b64decode(answer.json()["heatmap"]["data"])
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert (shown[24, 10] == 100).all()
        assert (shown[24, 50] == 55).all()
