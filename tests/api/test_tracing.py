"""Traces as the app makes them: which requests, below whom, and what they hold."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from takt.observing.tracing.otlp import OtelTracing
from takt_client import AsyncTaktClient
from takt_client.pictures import pack_frame

PATH = "/v1/models/parts/inspect"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STAGES = ["decode", "preprocess", "queue", "engine", "postprocess"]


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> OtelTracing:
    for name in ("OTEL_TRACES_SAMPLER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return OtelTracing(provider)


def caller(flags: str) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-{flags}"}


def root_of(exported: InMemorySpanExporter) -> ReadableSpan:
    """The span of the only request."""
    [root] = [span for span in exported.get_finished_spans() if span.name.startswith("POST")]
    return root


async def test_the_spans_of_a_picture_are_those_of_its_answer(
    serve, traces, exported, bad_part
) -> None:
    async with serve(traces=traces) as client:
        headers = caller("01") | {"x-request-id": "part-17"}
        response = await client.post(PATH + "?heatmap=map", content=bad_part, headers=headers)
        answer = response.json()
    root = root_of(exported)
    assert f"{root.context.trace_id:032x}" == TRACE_ID
    assert f"{root.parent.span_id:016x}" == SPAN_ID
    assert root.attributes["takt.request_id"] == "part-17"
    assert root.attributes["takt.model"] == "parts"
    assert root.attributes["takt.version"] == "1"
    assert root.attributes["takt.verdict"] == "anomalous"
    assert root.attributes["takt.score"] == pytest.approx(answer["score"])
    assert root.attributes["http.response.status_code"] == 200
    below = [span for span in exported.get_finished_spans() if span is not root]
    assert [span.name for span in below] == [*STAGES, "render"]
    for span in below:
        assert span.parent.span_id == root.context.span_id
        took_ms = (span.end_time - span.start_time) / 1e6
        assert took_ms == pytest.approx(answer["timings_ms"][span.name], abs=0.001)
        assert root.start_time <= span.start_time <= span.end_time <= root.end_time


async def test_the_response_names_the_span(serve, traces, exported, picture_bytes) -> None:
    async with serve(traces=traces) as client:
        response = await client.post(PATH, content=picture_bytes())
        root = root_of(exported)
        ids = f"00-{root.context.trace_id:032x}-{root.context.span_id:016x}-"
        assert response.headers["traceresponse"].startswith(ids)


@pytest.mark.parametrize(
    ("query", "body", "code", "status"),
    [
        ("", b"no picture", "invalid_image", 400),
        ("?heatmap=rainbow", b"", "invalid_parameter", 422),
    ],
)
async def test_a_refusal_is_traced_with_its_code(
    serve, traces, exported, query: str, body: bytes, code: str, status: int
) -> None:
    async with serve(traces=traces) as client:
        response = await client.post(PATH + query, content=body)
        assert response.status_code == status
        assert "traceresponse" in response.headers
    root = root_of(exported)
    assert root.attributes["error.type"] == code
    assert root.attributes["http.response.status_code"] == status
    assert root.attributes["takt.request_id"] == response.headers["x-request-id"]
    assert root.status.status_code is StatusCode.UNSET
    assert len(exported.get_finished_spans()) == 1


async def test_a_failure_of_the_service_marks_its_span(
    serve, traces, exported, engines, picture_bytes
) -> None:
    async with serve(traces=traces) as client:
        engines[0].fail = True
        response = await client.post(PATH, content=picture_bytes())
        assert response.status_code == 500
    root = root_of(exported)
    assert root.attributes["error.type"] == "engine_failed"
    assert root.status.status_code is StatusCode.ERROR


async def test_what_the_caller_does_not_sample_leaves_nothing(
    serve, traces, exported, picture_bytes
) -> None:
    async with serve(traces=traces) as client:
        response = await client.post(PATH, content=picture_bytes(), headers=caller("00"))
        assert response.status_code == 200
        assert "traceresponse" not in response.headers
        # Nor does the request before it lend its trace to one that is not recorded.
        await client.post(PATH, content=picture_bytes(), headers=caller("01"))
        await client.post(PATH, content=picture_bytes(), headers=caller("00"))
    assert len(exported.get_finished_spans()) == 1 + len(STAGES)


async def test_only_pictures_are_traced(serve, traces, exported) -> None:
    async with serve(traces=traces) as client:
        for path in ("/metrics", "/health/ready", "/v1/models"):
            assert "traceresponse" not in (await client.get(path)).headers
    assert not exported.get_finished_spans()


async def test_no_attribute_holds_a_picture(serve, traces, exported, bad_part) -> None:
    async with serve(traces=traces) as client:
        await client.post(PATH + "?heatmap=raw", content=bad_part)
    for span in exported.get_finished_spans():
        assert all(len(str(value)) < 100 for value in span.attributes.values())
        assert not span.events


async def test_our_client_s_call_is_the_parent(serve, traces, exported, picture_bytes) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("line")
    async with serve(traces=traces) as client:
        transport = client._transport
        async with AsyncTaktClient("http://takt", transport=transport) as takt:
            with tracer.start_as_current_span("part") as part:
                await takt.inspect("parts", picture_bytes())
    root = root_of(exported)
    assert root.parent.span_id == part.get_span_context().span_id
    assert root.context.trace_id == part.get_span_context().trace_id


async def test_the_request_log_names_the_trace_where_one_is_recorded(
    serve, traces, picture_bytes, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[str] = []

    with caplog.at_level(logging.INFO, "takt.request"):
        async with serve(traces=traces, write=written.append, log_format="json") as client:
            for flags in ("01", "00"):
                await client.post(PATH, content=picture_bytes(), headers=caller(flags))
    lines = [json.loads(line) for line in "".join(written).splitlines()]
    assert [line.get("trace_id") for line in lines] == [TRACE_ID, None]


async def exchange(client: httpx.AsyncClient, pictures: list[bytes]) -> list[dict[str, Any]]:
    """Send frames over a stream, whose handshake names a caller, and hear their outcomes."""
    app = client._transport.app  # type: ignore[attr-defined]
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    headers = {"host": "takt", **caller("01")}
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/v1/models/parts/stream",
        "raw_path": b"/v1/models/parts/stream",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "subprotocols": [],
    }
    said.put_nowait({"type": "websocket.connect"})
    said.put_nowait({"type": "websocket.receive", "text": json.dumps({"type": "hello"})})
    for sequence, picture in enumerate(pictures):
        data = pack_frame(sequence, 0, picture)
        said.put_nowait({"type": "websocket.receive", "bytes": data})
    said.put_nowait({"type": "websocket.receive", "text": json.dumps({"type": "bye"})})
    await app(scope, said.get, heard.put)
    texts = [heard.get_nowait() for _ in range(heard.qsize())]
    messages = [json.loads(message["text"]) for message in texts if "text" in message]
    return [message for message in messages if "sequence" in message]


async def test_each_frame_of_a_stream_is_traced_by_itself(
    serve, traces, exported, picture_bytes
) -> None:
    async with serve(traces=traces) as client:
        outcomes = await exchange(client, [picture_bytes(50), b"none", picture_bytes(200)])
    assert [outcome["type"] for outcome in outcomes] == ["answer", "error", "answer"]
    frames = [span for span in exported.get_finished_spans() if span.name == "stream frame"]
    assert len({span.context.trace_id for span in frames}) == 3
    for sequence, (span, outcome) in enumerate(zip(frames, outcomes, strict=True)):
        assert span.parent is None
        assert f"{span.links[0].context.trace_id:032x}" == TRACE_ID
        assert span.attributes["takt.stream.sequence"] == sequence
        if outcome["type"] == "error":
            assert span.attributes["error.type"] == outcome["code"]
            continue
        assert span.attributes["takt.request_id"] == outcome["request_id"]
        below = [
            other
            for other in exported.get_finished_spans()
            if other.parent is not None and other.parent.span_id == span.context.span_id
        ]
        assert [other.name for other in below] == STAGES
        for other in below:
            took_ms = (other.end_time - other.start_time) / 1e6
            assert took_ms == pytest.approx(outcome["timings_ms"][other.name], abs=0.001)
        age_ms = (span.end_time - span.start_time) / 1e6
        assert age_ms >= outcome["age_ms"] - 0.001


def in_oip(pictures: list[bytes]) -> dict[str, Any]:
    data = [base64.b64encode(picture).decode() for picture in pictures]
    image = {"name": "image", "shape": [len(data)], "datatype": "BYTES", "data": data}
    return {"inputs": [image]}


async def test_a_picture_of_the_open_inference_protocol_is_traced_as_one_of_rest_is(
    serve, traces, exported, picture_bytes
) -> None:
    async with serve(traces=traces) as client:
        body = in_oip([picture_bytes()])
        headers = caller("01")
        response = await client.post("/v2/models/parts/infer", json=body, headers=headers)
        assert response.status_code == 200
        assert "traceresponse" in response.headers
    root = root_of(exported)
    assert f"{root.parent.span_id:016x}" == SPAN_ID
    assert root.attributes["http.route"] == "/v2/models/{name}/infer"
    assert root.attributes["takt.verdict"] == "good"
    assert len(exported.get_finished_spans()) == 1 + len(STAGES)


async def test_of_several_pictures_each_has_its_own_stages(
    serve, traces, exported, picture_bytes
) -> None:
    async with serve(traces=traces) as client:
        body = in_oip([picture_bytes(50), picture_bytes(200)])
        await client.post("/v2/models/parts/infer", json=body)
    root = root_of(exported)
    pictures = [span for span in exported.get_finished_spans() if span.name == "inspect"]
    assert [span.attributes["takt.verdict"] for span in pictures] == ["good", "anomalous"]
    assert all(span.parent.span_id == root.context.span_id for span in pictures)
    assert len(exported.get_finished_spans()) == 1 + 2 * (1 + len(STAGES))


async def test_a_malformed_request_of_the_protocol_is_traced_with_its_code(
    serve, traces, exported
) -> None:
    async with serve(traces=traces) as client:
        response = await client.post("/v2/models/parts/infer", content=b"{")
    root = root_of(exported)
    assert root.attributes["error.type"] == response.json()["code"]
    assert root.attributes["http.response.status_code"] == response.status_code


async def test_the_metrics_count_the_same_with_traces(serve, traces, picture_bytes) -> None:
    async with serve(traces=traces) as client:
        await client.post(PATH, content=picture_bytes())
        metrics = (await client.get("/metrics")).text
        assert re.search(r'takt_requests_total\{[^}]*outcome="ok"[^}]*\} 1\.0', metrics)
