"""A real server, asked by NVIDIA's own clients of the Open Inference Protocol."""

import base64
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

pytest.importorskip("grpc_health", reason="gRPC is an extra")

from tests.api.rpc.transports import GRPC, HTTP, Transport
from tests.conftest import Server
from tests.hostile.bundle import MODEL, write_bundle


def part(level: int, spot: int | None = None) -> bytes:
    """A JPEG of a part with a brighter half, and perhaps with a spot."""
    picture = np.full((230, 565, 3), level, np.uint8)
    picture[:, 300:] += 20
    if spot is not None:
        picture[40:120, 80:200] = spot
    return cv2.imencode(".jpg", picture)[1].tobytes()


FEW = [part(40), part(70), part(50, spot=160), part(60, spot=230)]
"""Good ones, and ones with defects that the model finds."""


@pytest.fixture(scope="module")
def server(fork_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    repository = tmp_path_factory.mktemp("oip") / "models"
    write_bundle(repository)
    with fork_server(repository, "--grpc-port", "0") as found:
        yield found


@pytest.fixture(scope="module")
def url(server: Server) -> str:
    return server.url


@pytest.fixture(scope="module")
def by_rest(url: str) -> list[dict[str, Any]]:
    """What REST answers to each of the few, with its map."""
    with httpx.Client(base_url=url, timeout=120) as http:
        return [
            http.post(
                f"/v1/models/{MODEL}/inspect", params={"heatmap": "raw"}, content=picture
            ).json()
            for picture in FEW
        ]


@pytest.fixture(params=[HTTP, GRPC], ids=lambda one: one.name)
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param


@pytest.fixture
def client(server: Server, transport: Transport) -> Iterator[Any]:
    address = server.url.removeprefix("http://")
    if transport is GRPC:
        (address,) = re.findall(r"Inference Protocol is on grpc://(\S+)", "".join(server.log))
    client = transport.module.InferenceServerClient(address)
    yield client
    client.close()


@pytest.fixture
def http_client(url: str) -> Iterator[Any]:
    client = HTTP.module.InferenceServerClient(url.removeprefix("http://"), network_timeout=120)
    yield client
    client.close()


def told(client: Any, what: str, *given: str) -> Any:
    """What a model or the server says of itself, as HTTP has it."""
    if isinstance(client, HTTP.module.InferenceServerClient):
        return getattr(client, what)(*given)
    found = getattr(client, what)(*given, as_json=True)
    return found.get("config") or found.get("models") or found


def test_the_client_finds_the_server_and_its_models(client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready(MODEL, "7")
    assert told(client, "get_server_metadata")["name"] == "takt"
    (found,) = told(client, "get_model_repository_index")
    assert {"reason": "", **found} == {
        "name": MODEL,
        "version": "1",
        "state": "READY",
        "reason": "",
    }
    for version in ("", "1"):
        metadata = told(client, "get_model_metadata", MODEL, version)
        assert (metadata["name"], metadata["versions"]) == (MODEL, ["1"])
        assert {tensor["name"] for tensor in metadata["inputs"]} == {"image", "pixels"}
        config = told(client, "get_model_config", MODEL, version)
        assert {tensor["name"] for tensor in config["input"]} == {"image", "pixels"}


def test_pictures_in_binary_have_the_scores_of_rest(client, transport, by_rest) -> None:
    result = client.infer(MODEL, transport.images(FEW), request_id="belt 3")
    answer = result.get_response()
    if transport is GRPC:
        answer = {"id": answer.id, "model_version": answer.model_version}
    assert (answer["id"], answer["model_version"]) == ("belt 3", "1")
    expected = [answer["score"] for answer in by_rest]
    assert result.as_numpy("score") == pytest.approx(np.array(expected), abs=1e-6)
    assert result.as_numpy("threshold") == pytest.approx(by_rest[0]["threshold"], abs=1e-6)
    anomalous = [answer["anomalous"] for answer in by_rest]
    assert result.as_numpy("anomalous").tolist() == anomalous
    assert set(anomalous) == {True, False}
    for text, answer in zip(result.as_numpy("regions"), by_rest, strict=True):
        regions = json.loads(text)
        assert [one["box"] for one in regions] == [one["box"] for one in answer["regions"]]


@pytest.mark.parametrize("binary_out", [True, False])
def test_pictures_in_json_have_the_scores_of_rest(http_client, by_rest, binary_out) -> None:
    tensor = HTTP.module.InferInput("image", [len(FEW)], "BYTES")
    elements = [base64.b64encode(picture) for picture in FEW]
    tensor.set_data_from_numpy(np.array(elements, np.object_), binary_data=False)
    names = ("score", "anomalous", "regions")
    wanted = [HTTP.module.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    result = http_client.infer(MODEL, [tensor], model_version="1", outputs=wanted)
    expected = [answer["score"] for answer in by_rest]
    assert result.as_numpy("score") == pytest.approx(np.array(expected), abs=1e-6)
    assert result.as_numpy("anomalous").dtype == np.bool_
    assert len(json.loads(result.as_numpy("regions")[-1])) == len(by_rest[-1]["regions"])
    assert result.as_numpy("heatmap") is None


def last_pixels() -> np.ndarray:
    return cv2.imdecode(np.frombuffer(FEW[-1], np.uint8), cv2.IMREAD_COLOR_RGB)[None]


def test_pixels_have_the_scores_of_rest(client, transport, by_rest) -> None:
    result = client.infer(MODEL, transport.pixels(last_pixels()))
    assert result.as_numpy("score") == pytest.approx(by_rest[-1]["score"], abs=1e-6)


def test_pixels_in_json_have_the_scores_of_rest(http_client, by_rest) -> None:
    pixels = last_pixels()
    tensor = HTTP.module.InferInput("pixels", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels, binary_data=False)
    result = http_client.infer(MODEL, [tensor])
    assert result.as_numpy("score") == pytest.approx(by_rest[-1]["score"], abs=1e-6)


def test_maps_and_heatmaps_come_where_they_are_named(client, transport, by_rest) -> None:
    result = client.infer(
        MODEL,
        transport.images(FEW[-1:]),
        outputs=transport.wanted("anomaly_map", "heatmap"),
        parameters={"heatmap": "map", "format": "png"},
    )
    anomaly_map = result.as_numpy("anomaly_map")
    (shape,) = (
        [int(length) for length in tensor["shape"]]
        for tensor in told(client, "get_model_metadata", MODEL)["outputs"]
        if tensor["name"] == "anomaly_map"
    )
    assert anomaly_map.shape == (1, *shape[1:])
    raw = base64.b64decode(by_rest[-1]["heatmap"]["data"])
    assert anomaly_map[0] == pytest.approx(np.load(io.BytesIO(raw)), abs=1e-6)
    heatmap = cv2.imdecode(np.frombuffer(result.as_numpy("heatmap")[0], np.uint8), cv2.IMREAD_COLOR)
    assert heatmap.shape[:2] == (by_rest[-1]["image"]["height"], by_rest[-1]["image"]["width"])


def test_parameters_of_the_client_are_understood(client, transport) -> None:
    given = transport.images(FEW[:1])
    result = client.infer(
        MODEL, given, priority=2, timeout=60_000_000, parameters={"threshold": -1.0}
    )
    assert result.as_numpy("anomalous").tolist() == [True]
    assert result.as_numpy("threshold").tolist() == [-1.0]


def test_errors_reach_the_client_with_their_status_and_text(client, transport) -> None:
    good, cut = transport.images(FEW[:1]), transport.images([FEW[0][:-900]])
    for tensors, name, options, status, complaint in (
        (good, "pards", {}, 404, "there is no model 'pards'"),
        (cut, MODEL, {}, 400, "cut short"),
        (good, MODEL, {"timeout": 1}, 504, "timeout_ms"),
        (good, MODEL, {"sequence_id": 3}, 422, "sequence_"),
    ):
        with pytest.raises(InferenceServerException, match=re.escape(complaint)) as refused:
            client.infer(name, tensors, **options)
        assert refused.value.status() == transport.status(status)
    with pytest.raises(InferenceServerException, match=r"lists the routes|is not served"):
        client.unload_model(MODEL)
