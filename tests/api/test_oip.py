import asyncio
import base64
import io
import json
import math
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from starlette.types import Message

from service.api.oip import infer as oip_infer
from service.app import create_app
from service.bundles.bundle import Bundle
from service.engines.fake import FakeEngine
from service.settings import Settings

REST = "/v1/models/parts/inspect"
MODEL = "/v2/models/parts"
INFER = f"{MODEL}/infer"
EVERY_OUTPUT = ("score", "threshold", "anomalous", "regions", "anomaly_map", "heatmap")


def in_json(pictures: Sequence[bytes], **request: Any) -> dict[str, Any]:
    """A request whose pictures are in base64."""
    data = [base64.b64encode(picture).decode() for picture in pictures]
    image = {"name": "image", "shape": [len(pictures)], "datatype": "BYTES", "data": data}
    return {"inputs": [image], **request}


def in_binary(pictures: Sequence[bytes], **request: Any) -> dict[str, Any]:
    """What httpx sends of a request whose pictures follow the JSON."""
    data = b"".join(struct.pack("<I", len(picture)) + picture for picture in pictures)
    image = {
        "name": "image",
        "shape": [len(pictures), 1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(data)},
    }
    return framed({"inputs": [image], **request}, data)


def framed(request: dict[str, Any], data: bytes) -> dict[str, Any]:
    head = json.dumps(request).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return {"content": head + data, "headers": headers}


def named(*outputs: str, **parameters: Any) -> list[dict[str, Any]]:
    return [{"name": name, "parameters": parameters} for name in outputs]


def outputs_of(response: httpx.Response) -> dict[str, Any]:
    """The values of each output, in JSON or binary."""
    assert response.status_code == 200, response.text
    length = response.headers.get("inference-header-content-length")
    head = json.loads(response.content[: int(length)] if length else response.content)
    rest = response.content[int(length) :] if length else b""
    values: dict[str, Any] = {}
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            values[output["name"]] = output["data"]
            continue
        data, rest = rest[:size], rest[size:]
        if output["datatype"] == "BYTES":
            elements = []
            while data:
                (length,) = struct.unpack_from("<I", data)
                elements.append(data[4 : 4 + length])
                data = data[4 + length :]
            values[output["name"]] = elements
        else:
            dtype = {"FP32": np.float32, "BOOL": np.bool_}[output["datatype"]]
            values[output["name"]] = np.frombuffer(data, dtype).reshape(output["shape"]).tolist()
    assert rest == b""
    return values


@pytest.fixture
def noise() -> np.ndarray:
    """RGB uint8 [48, 64, 3]."""
    return np.random.default_rng(5).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def png(picture: np.ndarray) -> bytes:
    bgr = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", bgr)[1].tobytes()


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
        async with asyncio.timeout(10):
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


async def test_pictures_of_one_request_form_batches_and_keep_their_order(
    serve, engines: list[FakeEngine], picture_bytes
) -> None:
    levels = list(range(10, 250, 20))

    async with serve(max_batch_size=8) as client:
        engines[0].gate.clear()
        pictures = [picture_bytes(level) for level in levels]
        asked = asyncio.create_task(client.post(INFER, **in_binary(pictures)))
        async with asyncio.timeout(10):
            while (
                'takt_queue_depth{model="parts",version="1"} 11.0'
                not in (await client.get("/metrics")).text
            ):
                await asyncio.sleep(0)
        engines[0].gate.set()
        scores = outputs_of(await asked)["score"]
        assert scores == pytest.approx([level / 255 for level in levels], abs=1e-6)
        assert engines[0].batch_sizes == [1, 8, 3]


async def test_parameters_rule_the_verdicts(serve, bad_part) -> None:
    async with serve() as client:
        parameters = {"threshold": 0.9, "pixel_threshold": 0.1, "priority": 2}
        request = in_json([bad_part], parameters=parameters)
        outputs = outputs_of(await client.post(INFER, json=request))
        assert outputs["threshold"] == [pytest.approx(0.9)]
        assert outputs["anomalous"] == [False]
        assert json.loads(outputs["regions"][0])[0]["box"] == [0, 0, 64, 48]


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
        waiting = [asyncio.create_task(client.post(REST, content=bad_part)) for _ in range(2)]
        async with asyncio.timeout(10):
            while (
                'takt_queue_depth{model="parts",version="1"} 1.0'
                not in (await client.get("/metrics")).text
            ):
                await asyncio.sleep(0)
        refused = await client.post(INFER, json=in_json([bad_part] * 2))
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"] == refused.json()["detail"]
        engines[0].gate.set()
        assert [response.status_code for response in await asyncio.gather(*waiting)] == [200] * 2
        assert sum(engines[0].batch_sizes) == 2


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


async def test_maps_of_different_sizes_are_no_one_tensor(serve, make_bundle, picture_bytes) -> None:
    tiling = {"width": 32, "height": 32, "overlap": 8, "blend": "max"}
    make_bundle("tiled", tiling=tiling)

    async with serve() as client:
        async with asyncio.timeout(10):
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


class Caller:
    """One connection to an app: its messages come from a queue, its answers go to a list."""

    def __init__(self, app: Any) -> None:
        scope: dict[str, Any] = {
            **{"type": "http", "method": "POST", "path": INFER, "raw_path": INFER.encode()},
            **{"asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http"},
            **{"root_path": "", "query_string": b"", "headers": [(b"host", b"localhost")]},
            **{"client": None, "server": ("127.0.0.1", 80)},
        }
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.task = asyncio.create_task(app(scope, self.messages.get, self._send))

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def say(self, body: bytes, *, more: bool = False) -> None:
        self.messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})

    async def status(self) -> int:
        await self.task
        return self.sent[0]["status"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


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
        await until(app.state.repository.loaded.is_set)
        engine.gate.clear()
        model = app.state.repository.get("parts")
        caller = Caller(app)
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
        await until(app.state.repository.loaded.is_set)
        engine.gate.clear()
        body = json.dumps(in_json([bad_part])).encode()
        callers = [Caller(app), Caller(app)]
        callers[0].say(body)
        await until(lambda: engine.batch_sizes[-1:] == [1])
        callers[1].say(body)
        model = app.state.repository.get("parts")
        await until(lambda: model.depth == 1)
        assert await Caller(app).status() == 429
        engine.gate.set()
        assert [await caller.status() for caller in callers] == [200, 200]


async def test_bodies_that_are_on_their_way_hold_no_place_in_the_queue(make_app, bad_part) -> None:
    app = make_app(max_queue_size=1)
    async with app.router.lifespan_context(app):
        await until(app.state.repository.loaded.is_set)
        slow = Caller(app)
        body = json.dumps(in_json([bad_part])).encode()
        slow.say(body[:50], more=True)
        await until(slow.messages.empty)
        quick = Caller(app)
        quick.say(body)
        assert await quick.status() == 200
        slow.say(body[50:])
        assert await slow.status() == 200


async def test_a_body_that_does_not_come_to_its_end_meets_the_servers_timeout(make_app) -> None:
    app = make_app(timeout_ms=20.0)
    async with app.router.lifespan_context(app):
        await until(app.state.repository.loaded.is_set)
        slow = Caller(app)
        slow.say(b"{", more=True)
        assert await slow.status() == 504
