import base64
import io

import cv2
import numpy as np
import pytest

URL = "/v1/models/parts/inspect"


def decode(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


@pytest.mark.parametrize("kind", ["map", "overlay"])
@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
async def test_a_heatmap_comes_as_a_picture_of_the_same_size(
    serve, bad_part, kind, picture_format
) -> None:
    async with serve() as client:
        query = {"heatmap": kind, "format": picture_format}
        heatmap = (await client.post(URL, params=query, content=bad_part)).json()["heatmap"]
        assert (heatmap["kind"], heatmap["format"]) == (kind, picture_format)
        assert decode(base64.b64decode(heatmap["data"])).shape == (48, 64, 3)


async def test_the_raw_heatmap_is_the_models_map(serve, bad_part) -> None:
    async with serve() as client:
        response = await client.post(URL, params={"heatmap": "raw"}, content=bad_part)
        heatmap = response.json()["heatmap"]
        assert (heatmap["kind"], heatmap["format"]) == ("raw", "npy")
        anomaly_map = np.load(io.BytesIO(base64.b64decode(heatmap["data"])))
        assert anomaly_map.shape == (32, 32)
        assert anomaly_map.dtype == np.float32
        assert anomaly_map.max() == pytest.approx(response.json()["score"])


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("image/*", "image/jpeg"),
        ("image/png", "image/png"),
        ("image/avif,image/webp,image/*;q=0.8", "image/webp"),
        ("image/png;q=0, image/*", "image/jpeg"),
        ("image/*, image/png;q=0.1", "image/jpeg"),
        ("image/png;q=0", "application/json"),
        ("application/json, image/png", "application/json"),
        ("image/png;q=0.5, application/json", "application/json"),
        ("*/*", "application/json"),
    ],
)
async def test_accept_chooses_between_the_picture_and_json(
    serve, bad_part, accept, media_type
) -> None:
    async with serve() as client:
        response = await client.post(URL, content=bad_part, headers={"accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"] == media_type
        if media_type != "application/json":
            assert decode(response.content).shape == (48, 64, 3)
            assert response.headers["x-takt-anomalous"] == "true"
            assert float(response.headers["x-takt-score"]) == pytest.approx(200 / 255, abs=1e-3)
