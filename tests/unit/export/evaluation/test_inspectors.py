from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator

import cv2
import httpx
import numpy as np
import pytest
import torch
from torch.nn import functional

from export.errors import InspectorError
from export.evaluation.inspectors import (
    MAX_RETRIES,
    HttpInspector,
    LocalInspector,
    check_same_model,
    open_client,
)
from service.bundles.bundle import Bundle
from service.domain import Box
from service.pictures.placement import placement

Encode = Callable[..., bytes]


def test_the_local_inspector_judges_by_the_bundle(bundle: Bundle, picture_bytes: Encode) -> None:
    with LocalInspector(bundle, threads=1) as inspector:
        dark = inspector.inspect(picture_bytes(51))
        spotted = inspector.inspect(picture_bytes(51, spot=255))
        check_same_model(inspector, bundle)
    assert dark.score == pytest.approx(0.2, abs=1e-6)
    assert (dark.anomalous, spotted.anomalous) == (False, True)
    assert dark.threshold == bundle.manifest.thresholds.image
    assert (dark.width, dark.height) == (64, 48)
    assert dark.placed == placement(bundle.manifest.preprocess, 64, 48)
    assert dark.anomaly_map.shape == (32, 32)
    assert dark.total_ms > 0


def test_the_local_inspector_takes_the_score_where_the_bundle_says(make_bundle) -> None:
    bundle = make_bundle(score_from="map_on_picture")
    noise = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with LocalInspector(bundle, threads=1) as inspector:
        answer = inspector.inspect(cv2.imencode(".png", noise)[1].tobytes())
        check_same_model(inspector, bundle)
    anomaly_map = torch.from_numpy(answer.anomaly_map)[None, None]
    resized = functional.interpolate(anomaly_map, (48, 64), mode="bilinear")
    assert answer.score == pytest.approx(float(resized.max()), abs=1e-6)
    assert answer.score < float(anomaly_map.max()) - 1e-3


Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def over_http(waits: list[float], make_bundle) -> Iterator[Callable[[Handler], HttpInspector]]:
    """An inspector whose server is a function."""
    clients = []
    crop = {"x": 4, "y": 4, "width": 32, "height": 32}
    spec = {"width": 40, "height": 40, "resize": "area", "crop": crop}
    manifest = make_bundle("cropping", preprocess=spec).manifest

    def connect(handler: Handler) -> HttpInspector:
        client = httpx.Client(base_url="http://line:8000", transport=httpx.MockTransport(handler))
        clients.append(client)
        return HttpInspector(client, manifest, sleep=waits.append)

    yield connect
    for client in clients:
        client.close()


def answer_body(score: float) -> dict[str, object]:
    npy = io.BytesIO()
    np.save(npy, np.full((2, 3), score, np.float32))
    data = base64.b64encode(npy.getvalue()).decode()
    return {
        "score": score,
        "threshold": 0.5,
        "anomalous": score > 0.5,
        "image": {"width": 30, "height": 20},
        "inspected": [3, 2, 24, 16],
        "heatmap": {"kind": "raw", "format": "npy", "data": data},
        "timings_ms": {"total": 12.5},
    }


def test_the_http_inspector_reads_an_answer(
    over_http: Callable[[Handler], HttpInspector],
) -> None:
    requests = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=answer_body(0.75))

    answer = over_http(handler).inspect(b"picture")
    assert requests[0].url.raw_path == b"/v1/models/cropping/versions/1/inspect?heatmap=raw"
    assert requests[0].content == b"picture"
    assert (answer.score, answer.threshold, answer.anomalous) == (0.75, 0.5, True)
    assert (answer.width, answer.height) == (30, 20)
    # 4/40 … 36/40 of each axis, to the pixel: 3 … 27 and 2 … 18.
    assert answer.placed.touched(Box(0, 0, 32, 32), (32, 32)) == Box(3, 2, 24, 16)
    assert answer.total_ms == 12.5
    assert np.array_equal(answer.anomaly_map, np.full((2, 3), 0.75, np.float32))


def test_a_full_queue_is_tried_again_when_the_server_says(
    over_http: Callable[[Handler], HttpInspector], waits: list[float]
) -> None:
    responses = iter(
        [
            httpx.Response(429, headers={"Retry-After": "2"}),
            httpx.Response(429, headers={"Retry-After": "9999"}),
            httpx.Response(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
            httpx.Response(200, json=answer_body(0.75)),
        ]
    )
    assert over_http(lambda _: next(responses)).inspect(b"picture").score == 0.75
    assert waits == [2.0, 30.0, 1.0]


def test_a_queue_that_stays_full_is_given_up(
    over_http: Callable[[Handler], HttpInspector], waits: list[float]
) -> None:
    inspector = over_http(lambda _: httpx.Response(429, headers={"Retry-After": "1"}))
    with pytest.raises(InspectorError, match="stayed full"):
        inspector.inspect(b"picture")
    assert len(waits) == MAX_RETRIES


def refuse_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Connection refused", request=request)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (refuse_connection, r"no answer from http://line:8000 .*Connection refused.*takt serve"),
        (
            lambda _: httpx.Response(404, json={"detail": "this server has cookies"}),
            "does not serve cropping version 1: this server has cookies",
        ),
        (
            lambda _: httpx.Response(415, json={"detail": "a GIF is not served"}),
            "answered 415: a GIF is not served",
        ),
        (lambda _: httpx.Response(502, text="<html>"), "answered 502: Bad Gateway"),
        (lambda _: httpx.Response(200, text="<html>"), "not answer like a Takt server"),
        (lambda _: httpx.Response(200, json={"score": 1}), "not answer like a Takt server"),
        (lambda _: httpx.Response(200, json=[1]), "not answer like a Takt server"),
    ],
)
def test_a_server_that_fails_is_a_clear_error(
    over_http: Callable[[Handler], HttpInspector], handler: Handler, message: str
) -> None:
    with pytest.raises(InspectorError, match=message):
        over_http(handler).inspect(b"picture")


@pytest.mark.parametrize("off_by", [0.0, 0.1, -0.1])
def test_another_model_under_the_same_name_is_found_out(
    over_http: Callable[[Handler], HttpInspector], bundle: Bundle, off_by: float
) -> None:
    body = answer_body(float(bundle.golden.score[0]) + off_by)
    inspector = over_http(lambda _: httpx.Response(200, json=body))
    if off_by == 0:
        check_same_model(inspector, bundle)
    else:
        with pytest.raises(InspectorError, match="another model"):
            check_same_model(inspector, bundle)


@pytest.mark.parametrize("url", ["line:8000", "ftp://line", "", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InspectorError, match="is no URL"):
        open_client(url)
