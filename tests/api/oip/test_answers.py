"""Pictures over the Open Inference Protocol are answered as over REST."""

from __future__ import annotations

import base64
import io
import json
import math
import struct
import threading
from typing import Any

import numpy as np
import pytest

from takt.api.oip import infer as oip_infer
from tests.api.oip.requests import (
    EVERY_OUTPUT,
    INFER,
    REST,
    framed,
    in_binary,
    in_json,
    named,
    outputs_of,
    png,
)


@pytest.fixture
def noise() -> np.ndarray:
    """RGB uint8 [48, 64, 3]."""
    return np.random.default_rng(5).integers(0, 256, (48, 64, 3), dtype=np.uint8)


async def test_a_picture_is_answered_as_by_rest(serve, bad_part) -> None:
    async with serve() as client:
        rest = (await client.post(REST, content=bad_part)).json()
        response = await client.post(INFER, json=in_json([bad_part], id="42", model_name="parts"))
        answer = response.json()
        assert (answer["model_name"], answer["model_version"]) == ("parts", "1")
        assert answer["id"] == "42"
        assert [(one["name"], one["shape"]) for one in answer["outputs"]] == [
            ("score", [1]),
            ("threshold", [1]),
            ("anomalous", [1]),
            ("regions", [1]),
        ]
        for body in ({"json": in_json([bad_part])}, in_binary([bad_part])):
            outputs = outputs_of(await client.post(INFER, **body))
            assert outputs["score"] == [pytest.approx(rest["score"], abs=1e-6)]
            assert outputs["threshold"] == [rest["threshold"]]
            assert outputs["anomalous"] == [True]
            assert json.loads(outputs["regions"][0]) == rest["regions"]


@pytest.mark.parametrize("everything", [True, False])
async def test_outputs_are_the_same_in_json_and_binary(serve, bad_part, everything) -> None:
    async with serve() as client:
        plain = {"outputs": named(*EVERY_OUTPUT)}
        if everything:
            binary = {**plain, "parameters": {"binary_data_output": True}}
        else:
            binary = {
                "outputs": [
                    *named("score", "anomaly_map", binary_data=True),
                    *named("threshold", "anomalous", "regions", "heatmap", binary_data=False),
                ],
                "parameters": {"binary_data_output": True},
            }
        in_text = outputs_of(await client.post(INFER, json=in_json([bad_part] * 2, **plain)))
        response = await client.post(INFER, **in_binary([bad_part] * 2, **binary))
        assert response.headers["content-type"] == "application/octet-stream"
        outputs = outputs_of(response)
        assert outputs["score"] == pytest.approx(in_text["score"], abs=1e-7)
        assert outputs["anomalous"] == in_text["anomalous"] == [True, True]
        found = np.array(outputs["anomaly_map"], np.float32)
        assert found.shape == (2, 32, 32)
        assert np.array_equal(found.ravel(), np.array(in_text["anomaly_map"], np.float32))
        heatmaps, regions = in_text["heatmap"], in_text["regions"]
        if everything:
            heatmaps = [base64.b64decode(text) for text in heatmaps]
            regions = [text.encode() for text in regions]
        assert (outputs["heatmap"], outputs["regions"]) == (heatmaps, regions)


async def test_the_map_and_the_heatmap_are_those_of_rest(serve, bad_part) -> None:
    async with serve() as client:
        raw = await client.post(REST, params={"heatmap": "raw"}, content=bad_part)
        anomaly_map = np.load(io.BytesIO(base64.b64decode(raw.json()["heatmap"]["data"])))
        for kind, picture_format in (("map", "png"), ("overlay", "webp")):
            query = {"heatmap": kind, "format": picture_format}
            drawn = (await client.post(REST, params=query, content=bad_part)).json()
            request = in_json([bad_part], outputs=named("anomaly_map", "heatmap"), parameters=query)
            outputs = outputs_of(await client.post(INFER, json=request))
            assert outputs["heatmap"] == [drawn["heatmap"]["data"]]
            assert outputs["anomaly_map"] == pytest.approx(anomaly_map.ravel().tolist())


@pytest.mark.parametrize("grey", [None, "with an axis of one", "without"])
@pytest.mark.parametrize("binary", [True, False])
async def test_raw_pixels_are_answered_as_the_same_pixels_in_a_file(
    serve, noise, grey, binary
) -> None:
    picture = noise if grey is None else noise[..., 0]
    pixels = picture[None, ..., None] if grey == "with an axis of one" else picture[None]

    async with serve() as client:
        rest = (await client.post(REST, content=png(picture))).json()
        tensor = {"name": "pixels", "datatype": "UINT8", "shape": list(pixels.shape)}
        if binary:
            tensor["parameters"] = {"binary_data_size": pixels.size}
            body = framed({"inputs": [tensor]}, pixels.tobytes())
        else:
            body = {"json": {"inputs": [{**tensor, "data": pixels.tolist()}]}}
        outputs = outputs_of(await client.post(INFER, **body))
        assert outputs["score"] == [pytest.approx(rest["score"], abs=1e-6)]
        assert json.loads(outputs["regions"][0]) == rest["regions"]


async def test_base64_is_read_in_binary_data_too_where_it_is_named(serve, bad_part) -> None:
    text = base64.b64encode(bad_part)
    data = struct.pack("<I", len(text)) + text
    parameters = {"binary_data_size": len(data), "content_type": "base64"}
    image = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": parameters}

    async with serve() as client:
        outputs = outputs_of(await client.post(INFER, **framed({"inputs": [image]}, data)))
        assert outputs["anomalous"] == [True]


@pytest.mark.parametrize("threshold", [1e300, -1e300])
async def test_a_threshold_beyond_the_tensor_s_type_is_answered_as_a_number(
    serve, bad_part, threshold: float
) -> None:
    async with serve() as client:
        request = in_json([bad_part], parameters={"threshold": threshold})
        (given,) = outputs_of(await client.post(INFER, json=request))["threshold"]
    assert given == pytest.approx(math.copysign(float(np.finfo(np.float32).max), threshold))


async def test_parameters_rule_the_verdicts(serve, bad_part) -> None:
    async with serve() as client:
        parameters = {"threshold": 0.9, "pixel_threshold": 0.1, "priority": 2}
        request = in_json([bad_part], parameters=parameters)
        outputs = outputs_of(await client.post(INFER, json=request))
        assert outputs["threshold"] == [pytest.approx(0.9)]
        assert outputs["anomalous"] == [True]
        assert json.loads(outputs["regions"][0])[0]["box"] == [0, 0, 64, 48]
        request = in_json([bad_part], parameters=parameters | {"pixel_threshold": 0.9})
        outputs = outputs_of(await client.post(INFER, json=request))
        assert outputs["anomalous"] == [False]


async def test_one_bad_picture_refuses_its_request_and_is_named(serve, bad_part) -> None:
    async with serve() as client:
        cut = bad_part[: len(bad_part) // 2]
        alone = (await client.post(REST, content=cut)).json()
        response = await client.post(INFER, **in_binary([bad_part, cut, bad_part]))
        problem = response.json()
        assert (response.status_code, problem["code"]) == (400, alone["code"])
        assert problem["error"] == f"picture 1, counted from 0: {alone['detail']}"
        metrics = (await client.get("/metrics")).text
        assert (
            'takt_requests_total{model="parts",outcome="invalid_image",protocol="oip",'
            'verdict="none"} 1.0' in metrics
        )


async def test_pictures_and_refusals_are_counted(serve, bad_part, picture_bytes) -> None:
    async with serve() as client:
        pictures = [bad_part, bad_part, picture_bytes(50)]
        assert (await client.post(INFER, json=in_json(pictures))).status_code == 200
        unknown = await client.post("/v2/models/prats/infer", json=in_json(pictures))
        assert (unknown.status_code, unknown.json()["code"]) == (404, "model_not_found")
        assert unknown.json()["error"] == "there is no model 'prats'; this server has parts"
        assert "error" not in (await client.post("/v1/models/prats/inspect")).json()
        metrics = (await client.get("/metrics")).text
        for labels, count in (
            ('model="parts",outcome="ok",protocol="oip",verdict="anomalous"', 2),
            ('model="parts",outcome="ok",protocol="oip",verdict="good"', 1),
            ('model="unknown",outcome="model_not_found",protocol="oip",verdict="none"', 1),
        ):
            assert f"takt_requests_total{{{labels}}} {count}.0" in metrics


@pytest.mark.parametrize("nested", [True, False])
async def test_a_picture_of_256_pixels_square_may_be_a_list(serve, nested) -> None:
    picture = np.full((1, 256, 256, 3), 200, np.uint8)
    data = (picture if nested else picture.ravel()).tolist()
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": list(picture.shape), "data": data}

    async with serve() as client:
        outputs = outputs_of(await client.post(INFER, json={"inputs": [tensor]}))
        assert outputs["score"] == [pytest.approx(200 / 255)]


async def test_a_picture_of_six_million_bytes_may_be_in_base64(serve, noise) -> None:
    picture = png(noise) + bytes(6_000_000)

    async with serve() as client:
        rest = (await client.post(REST, content=picture)).json()
        outputs = outputs_of(await client.post(INFER, json=in_json([picture])))
        assert outputs["score"] == [pytest.approx(rest["score"], abs=1e-6)]


@pytest.mark.parametrize("size", [(16, 12), (200, 150)])
async def test_only_short_json_is_read_on_the_event_loop(serve, monkeypatch, size) -> None:
    readers = []

    def read(*arguments: Any) -> Any:
        readers.append(threading.current_thread())
        return read_request(*arguments)

    read_request = oip_infer.read_request
    monkeypatch.setattr(oip_infer, "read_request", read)
    pixels = np.full((1, size[1], size[0], 3), 200, np.uint8)
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": list(pixels.shape)}

    async with serve() as client:
        request = {"inputs": [{**tensor, "data": pixels.ravel().tolist()}]}
        outputs = outputs_of(await client.post(INFER, json=request))
        assert outputs["score"] == [pytest.approx(200 / 255)]
        on_the_loop = readers == [threading.main_thread()]
        assert on_the_loop == (size == (16, 12))
