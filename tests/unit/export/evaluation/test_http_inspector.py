from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Box
from takt_client import RetryPolicy
from takt_export.errors import InspectorError
from takt_export.evaluation import http_inspector
from takt_export.evaluation.http_inspector import RETRY, HttpInspector, transport_to
from takt_export.evaluation.inspectors import check_same_model

URL = "http://line:8000"
STAGES = ("decode", "preprocess", "queue", "engine", "postprocess", "render")
NOON = "2026-01-02T12:00:00Z"
ORIGIN = {
    "image": {"source": "bundle", "since": NOON},
    "pixel": {"source": "override", "since": NOON},
}
THRESHOLDS = {"image": 0.4, "pixel": 0.3, "method": "conformal", "origin": ORIGIN}
NOT_FOUND = {"code": "model_not_found", "title": "", "status": 404, "detail": "no such model"}


def model(*versions: dict[str, object]) -> dict[str, object]:
    return {"name": "cropping", "active": "1", "versions": versions}


def version(name: str, thresholds: object) -> dict[str, object]:
    nothing = dict.fromkeys(("reason", "engine", "family", "variant"))
    return {"version": name, "state": "ready", "thresholds": thresholds, **nothing}


Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def over_http(waits: list[float], make_bundle) -> Iterator[Callable[[Handler], HttpInspector]]:
    """An inspector whose server is a function."""
    crop = {"x": 4, "y": 4, "width": 32, "height": 32}
    spec = {"width": 40, "height": 40, "resize": "area", "crop": crop}
    manifest = make_bundle("cropping", preprocess=spec).manifest

    def connect(handler: Handler) -> HttpInspector:
        transport = httpx.MockTransport(handler)
        inspector = HttpInspector(URL, manifest, transport=transport, sleep=waits.append)
        return to_close.enter_context(inspector)

    with ExitStack() as to_close:
        yield connect


def answer_body(score: float) -> dict[str, object]:
    npy = io.BytesIO()
    np.save(npy, np.full((2, 3), score, np.float32))
    data = base64.b64encode(npy.getvalue()).decode()
    return {
        "model": "cropping",
        "version": "1",
        "score": score,
        "threshold": 0.5,
        "anomalous": score > 0.5,
        "percentile": None,
        "regions": [],
        "image": {"width": 30, "height": 20},
        "inspected": [3, 2, 24, 16],
        "heatmap": {"kind": "raw", "format": "npy", "data": data},
        "timings_ms": dict.fromkeys(STAGES, 1.0) | {"total": 12.5},
    }


def test_the_http_inspector_reads_an_answer(
    over_http: Callable[[Handler], HttpInspector],
) -> None:
    requests = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=answer_body(0.75))

    answer = over_http(handler).inspect(b"picture")
    assert requests[0].url.path == "/v1/models/cropping/versions/1/inspect"
    assert requests[0].url.params["heatmap"] == "raw"
    assert requests[0].content == b"picture"
    assert (answer.score, answer.threshold, answer.anomalous) == (0.75, 0.5, True)
    assert (answer.width, answer.height) == (30, 20)
    # 4/40 … 36/40 of each axis, to the pixel: 3 … 27 and 2 … 18.
    assert answer.placed.touched(Box(0, 0, 32, 32), (32, 32)) == Box(3, 2, 24, 16)
    assert answer.total_ms == 12.5
    assert np.array_equal(answer.anomaly_map, np.full((2, 3), 0.75, np.float32))


def problem(status: int, code: str, detail: str, **headers: str) -> httpx.Response:
    body = {"code": code, "title": code, "status": status, "detail": detail}
    return httpx.Response(status, json=body, headers=headers)


def full(retry_after: str) -> httpx.Response:
    return problem(429, "queue_full", "come back", **{"Retry-After": retry_after})


def test_a_full_queue_is_tried_again_when_the_server_says(
    over_http: Callable[[Handler], HttpInspector], waits: list[float]
) -> None:
    responses = iter([full("2"), full("30"), httpx.Response(200, json=answer_body(0.75))])
    answer = over_http(lambda _: next(responses)).inspect(b"picture")
    assert answer.score == 0.75
    assert [int(wait) for wait in waits] == [2, 30]
    assert answer.wall_ms < 30_000, "the waits are counted"


def test_a_queue_that_stays_full_is_given_up(over_http: Callable[[Handler], HttpInspector]) -> None:
    inspector = over_http(lambda _: full(f"{RETRY.deadline_s:.0f}"))
    with pytest.raises(InspectorError, match="stayed full"):
        inspector.inspect(b"picture")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_CONTACT", "RETRY"):
        monkeypatch.setattr(http_inspector, name, RetryPolicy(deadline_s=0.01))


def refuse_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Connection refused", request=request)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (refuse_connection, r"no answer from http://line:8000: Connection refused.*takt serve"),
        (
            lambda _: problem(404, "model_not_found", "this server has cookies"),
            "does not serve cropping version 1: this server has cookies",
        ),
        (
            lambda _: problem(415, "unsupported_image", "a GIF is not served"),
            "answered 415: a GIF is not served",
        ),
        (
            lambda _: httpx.Response(502, text="<html>"),
            "no answer from .*: a proxy .*502.*takt serve",
        ),
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
def test_what_is_no_url_is_refused(url: str, bundle: Bundle) -> None:
    with pytest.raises(InspectorError, match="is no URL"):
        HttpInspector(url, bundle.manifest)


def test_a_proxy_is_passed_by_on_the_way_to_this_very_machine() -> None:
    assert transport_to("http://line:8000") is None
    assert transport_to("http://127.0.0.1:8000") is not None


def test_a_server_is_asked_for_those_of_the_version(over_http) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=model(version("2", None), version("1", THRESHOLDS)))

    found = over_http(answer).deployed()
    assert asked == ["/v1/models/cropping"]
    assert (found.image, found.pixel) == (0.4, 0.3)
    assert found.image_from == "in force at the server, its bundle's own: conformal"
    assert found.pixel_from == f"in force at the server, set at the line at {NOON}"


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (404, NOT_FOUND, "does not serve cropping version 1"),
        (200, model(version("2", THRESHOLDS)), "does not serve"),
        (200, model(version("1", None)), "is not ready"),
        (502, {}, "no answer from .*: a proxy .*502.*takt serve"),
        (200, [], "does not answer like a Takt server"),
        (200, model(version("1", {})), "does not answer like a Takt"),
    ],
)
def test_a_server_that_does_not_tell_is_refused(
    over_http, status: int, body: object, complaint: str
) -> None:
    with pytest.raises(InspectorError, match=complaint):
        over_http(lambda _: httpx.Response(status, json=body)).deployed()


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_named(over_http) -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(InspectorError, match=r"no answer from http://line.*takt serve"):
        over_http(nobody).deployed()
