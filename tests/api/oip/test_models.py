"""What the Open Inference Protocol tells of the server and its models."""

from __future__ import annotations

import asyncio
import math

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from tests.api.oip.requests import (
    EVERY_OUTPUT,
    INFER,
    MODEL,
    in_json,
    named,
)


async def test_the_server_and_its_models_tell_what_they_are(serve) -> None:
    async with serve() as client:
        server = (await client.get("/v2")).json()
        assert server["name"] == "takt"
        assert "binary_tensor_data" in server["extensions"]
        for probe in ("/v2/health/live", "/v2/health/ready", f"{MODEL}/ready"):
            assert (await client.get(probe)).status_code == 200
        for url in (MODEL, f"{MODEL}/versions/1"):
            model = (await client.get(url)).json()
            assert (model["name"], model["versions"]) == ("parts", ["1"])
            assert [tensor["name"] for tensor in model["inputs"]] == ["image", "pixels"]
            shapes = {one["name"]: (one["datatype"], one["shape"]) for one in model["outputs"]}
            assert set(shapes) == set(EVERY_OUTPUT)
            assert shapes["anomaly_map"] == ("FP32", [-1, 32, 32])
        for url in (f"{MODEL}/config", f"{MODEL}/versions/1/config"):
            config = (await client.get(url)).json()
            assert config["max_batch_size"] == 0
            assert config["input"][0]["data_type"] == "TYPE_STRING"
        (entry,) = (await client.post("/v2/repository/index")).json()
        assert entry == {"name": "parts", "version": "1", "state": "READY", "reason": ""}


async def test_a_model_that_is_not_ready_says_so(serve, bad_part) -> None:
    def refuse(_: Bundle) -> FakeEngine:
        raise RuntimeError("no engine today")

    async with serve(open_engine=refuse) as client:
        assert (await client.get("/v2/health/live")).status_code == 200
        for probe in ("/v2/health/ready", f"{MODEL}/ready", f"{MODEL}/versions/1/ready"):
            assert (await client.get(probe)).status_code == 503
        (entry,) = (await client.post("/v2/repository/index")).json()
        assert entry["state"] == "UNAVAILABLE"
        assert (await client.post("/v2/repository/index", json={"ready": True})).json() == []
        refused = await client.post(INFER, json=in_json([bad_part]))
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")


async def test_metadata_and_inference_follow_the_active_version(
    serve, make_bundle, bad_part
) -> None:
    make_bundle(version="2", map={"width": 32, "height": 32, "low": 0.2})

    async with serve() as client:
        async with asyncio.timeout(60):
            while (await client.get("/v2/health/ready")).status_code != 200:
                await asyncio.sleep(0)
        for version in ("1", "2", "1"):
            activated = await client.post(f"/v1/models/parts/versions/{version}/activate")
            assert activated.status_code == 200
            config = (await client.get(f"{MODEL}/config")).json()
            assert config["parameters"]["active_version"]["string_value"] == version
            assert (await client.get(MODEL)).json()["versions"] == ["1", "2"]
            answer = (await client.post(INFER, json=in_json([bad_part]))).json()
            assert answer["model_version"] == version
            url = f"{MODEL}/versions/2/infer"
            assert (await client.post(url, json=in_json([bad_part]))).json()["model_version"] == "2"


async def test_maps_of_different_sizes_are_no_one_tensor(serve, make_bundle, picture_bytes) -> None:
    tiling = {"width": 32, "height": 32, "overlap": 8, "blend": "max"}
    make_bundle("tiled", tiling=tiling)

    async with serve() as client:
        async with asyncio.timeout(60):
            while (await client.get("/v2/health/ready")).status_code != 200:
                await asyncio.sleep(0)
        url = "/v2/models/tiled"
        shapes = {one["name"]: one["shape"] for one in (await client.get(url)).json()["outputs"]}
        assert shapes["anomaly_map"] == [-1, -1, -1]
        pictures = [picture_bytes(50), picture_bytes(50, size=(80, 64))]
        request = in_json(pictures, outputs=named("score", "anomaly_map"))
        refused = await client.post(f"{url}/infer", json=request)
        assert refused.status_code == 422
        assert "of different sizes" in refused.json()["detail"]
        request = in_json(pictures[1:] * 2, outputs=named("anomaly_map"))
        (tensor,) = (await client.post(f"{url}/infer", json=request)).json()["outputs"]
        assert len(tensor["data"]) == math.prod(tensor["shape"])
        assert tensor["shape"][0] == 2
