"""A real server, asked by NVIDIA's own client of the Open Inference Protocol."""

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
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

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
def url(start_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repository = tmp_path_factory.mktemp("oip") / "models"
    write_bundle(repository)
    with start_server(repository) as server:
        yield server.url


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


@pytest.fixture
def client(url: str) -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(url.removeprefix("http://"), network_timeout=120)
    yield client
    client.close()


def images(pictures: list[bytes], *, binary: bool) -> list[InferInput]:
    elements = pictures if binary else [base64.b64encode(picture) for picture in pictures]
    tensor = InferInput("image", [len(pictures)], "BYTES")
    tensor.set_data_from_numpy(np.array(elements, np.object_), binary_data=binary)
    return [tensor]


def wanted(*names: str, binary: bool) -> list[InferRequestedOutput]:
    return [InferRequestedOutput(name, binary_data=binary) for name in names]


def test_the_client_finds_the_server_and_its_models(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready(MODEL, "7")
    assert client.get_server_metadata()["name"] == "takt"
    assert client.get_model_repository_index() == [
        {"name": MODEL, "version": "1", "state": "READY", "reason": ""}
    ]
    for version in ("", "1"):
        metadata = client.get_model_metadata(MODEL, version)
        assert (metadata["name"], metadata["versions"]) == (MODEL, ["1"])
        assert {tensor["name"] for tensor in metadata["inputs"]} == {"image", "pixels"}
        config = client.get_model_config(MODEL, version)
        assert {tensor["name"] for tensor in config["input"]} == {"image", "pixels"}


def test_pictures_in_binary_have_the_scores_of_rest(client, by_rest) -> None:
    result = client.infer(MODEL, images(FEW, binary=True), request_id="belt 3")
    assert result.get_response()["id"] == "belt 3"
    assert result.get_response()["model_version"] == "1"
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
def test_pictures_in_json_have_the_scores_of_rest(client, by_rest, binary_out) -> None:
    result = client.infer(
        MODEL,
        images(FEW, binary=False),
        model_version="1",
        outputs=wanted("score", "anomalous", "regions", binary=binary_out),
    )
    expected = [answer["score"] for answer in by_rest]
    assert result.as_numpy("score") == pytest.approx(np.array(expected), abs=1e-6)
    assert result.as_numpy("anomalous").dtype == np.bool_
    assert len(json.loads(result.as_numpy("regions")[-1])) == len(by_rest[-1]["regions"])
    assert result.as_numpy("heatmap") is None


@pytest.mark.parametrize("binary", [True, False])
def test_pixels_have_the_scores_of_rest(client, by_rest, binary) -> None:
    picture = cv2.imdecode(np.frombuffer(FEW[-1], np.uint8), cv2.IMREAD_COLOR_RGB)
    tensor = InferInput("pixels", [1, *picture.shape], "UINT8")
    tensor.set_data_from_numpy(picture[None], binary_data=binary)
    result = client.infer(MODEL, [tensor])
    assert result.as_numpy("score") == pytest.approx(by_rest[-1]["score"], abs=1e-6)


def test_maps_and_heatmaps_come_where_they_are_named(client, by_rest) -> None:
    result = client.infer(
        MODEL,
        images(FEW[-1:], binary=True),
        outputs=wanted("anomaly_map", "heatmap", binary=True),
        parameters={"heatmap": "map", "format": "png"},
    )
    anomaly_map = result.as_numpy("anomaly_map")
    (shape,) = (
        tensor["shape"]
        for tensor in client.get_model_metadata(MODEL)["outputs"]
        if tensor["name"] == "anomaly_map"
    )
    assert anomaly_map.shape == (1, *shape[1:])
    raw = base64.b64decode(by_rest[-1]["heatmap"]["data"])
    assert anomaly_map[0] == pytest.approx(np.load(io.BytesIO(raw)), abs=1e-6)
    heatmap = cv2.imdecode(np.frombuffer(result.as_numpy("heatmap")[0], np.uint8), cv2.IMREAD_COLOR)
    assert heatmap.shape[:2] == (by_rest[-1]["image"]["height"], by_rest[-1]["image"]["width"])


def test_parameters_of_the_client_are_understood(client) -> None:
    (given,) = images(FEW[:1], binary=True)
    result = client.infer(
        MODEL, [given], priority=2, timeout=60_000_000, parameters={"threshold": -1.0}
    )
    assert result.as_numpy("anomalous").tolist() == [True]
    assert result.as_numpy("threshold").tolist() == [-1.0]


def test_errors_reach_the_client_with_their_status_and_text(client) -> None:
    for tensors, name, options, status, complaint in (
        (images(FEW[:1], binary=True), "pards", {}, "404", "there is no model 'pards'"),
        (images([FEW[0][:-900]], binary=True), MODEL, {}, "400", "cut short"),
        (images(FEW[:1], binary=True), MODEL, {"timeout": 1}, "504", "timeout_ms"),
        (images(FEW[:1], binary=True), MODEL, {"sequence_id": 3}, "422", "sequence_id"),
    ):
        with pytest.raises(InferenceServerException, match=re.escape(complaint)) as refused:
            client.infer(name, tensors, **options)
        assert refused.value.status() == status
    with pytest.raises(InferenceServerException, match="lists the routes"):
        client.unload_model(MODEL)
