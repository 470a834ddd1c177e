"""What becomes of a picture in spans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from takt.core.domain import Inspection
from takt.observing.tracing.base import Trace, current_trace
from takt.observing.tracing.otlp import OtelTracing

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01")
UNSAMPLED = ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-00")
STAGES = ["decode", "preprocess", "queue", "engine", "postprocess", "render"]


def scope(
    *headers: tuple[str, str], path: str = "/v1/models/parts/inspect", method: str = "POST"
) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "http_version": "1.1",
        "client": ("10.0.0.7", 4000),
        "server": ("10.0.0.1", 8000),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }


def begun(tracing: OtelTracing, *headers: tuple[str, str], **more: str) -> Trace:
    trace = tracing.request(scope(*headers, **more))
    assert trace is not None
    return trace


def spans_of(exported: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    spans = {span.name: span for span in exported.get_finished_spans()}
    assert len(spans) == len(exported.get_finished_spans())
    return spans


def ids(span: ReadableSpan) -> tuple[str, str]:
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def test_a_request_s_span_is_the_child_of_its_caller_s(tracing, exported) -> None:
    trace = begun(tracing, SAMPLED, ("tracestate", "a=1"), ("tracestate", "b=2"))
    trace.end("r1", 200)
    [span] = exported.get_finished_spans()
    assert trace.trace_id == TRACE_ID == f"{span.context.trace_id:032x}"
    assert f"{span.parent.span_id:016x}" == SPAN_ID
    assert span.context.trace_state.to_header() == "a=1,b=2"
    assert span.kind is SpanKind.SERVER


@pytest.mark.parametrize("header", ["", "00-zz-00-01", f"00-{'0' * 32}-{SPAN_ID}-01", "ÿ"])
def test_a_damaged_context_is_none(tracing, exported, header: str) -> None:
    begun(tracing, ("traceparent", header)).end("r1", 200)
    [span] = exported.get_finished_spans()
    assert span.parent is None


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/models/parts/inspect", "/v1/models/{name}/inspect"),
        ("/v1/models/parts/versions/3/inspect", "/v1/models/{name}/versions/{version}/inspect"),
        ("/v2/models/parts/infer", "/v2/models/{name}/infer"),
        ("/v2/models/parts/versions/3/infer", "/v2/models/{name}/versions/{version}/infer"),
    ],
)
def test_it_is_named_by_its_route_and_not_by_its_path(
    tracing, exported, path: str, route: str
) -> None:
    begun(tracing, path=path).end("r1", 200)
    [span] = exported.get_finished_spans()
    assert span.name == f"POST {route}"
    assert dict(span.attributes) == {
        "http.request.method": "POST",
        "http.route": route,
        "http.response.status_code": 200,
        "url.path": path,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "10.0.0.7",
        "server.address": "10.0.0.1",
        "server.port": 8000,
        "takt.request_id": "r1",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("GET", "/v1/models/parts/inspect"),
        ("PUT", "/v1/models/parts/threshold"),
        ("POST", "/v1/models/parts/inspect/more"),
    ],
)
def test_what_does_not_inspect_has_no_span(tracing, exported, method: str, path: str) -> None:
    assert tracing.request(scope(method=method, path=path)) is None
    assert not exported.get_finished_spans()


def test_what_the_caller_does_not_record_is_not_recorded(tracing, exported) -> None:
    assert tracing.request(scope(UNSAMPLED)) is None
    assert not exported.get_finished_spans()


def test_the_response_header_names_the_span(tracing, exported) -> None:
    trace = begun(tracing)
    trace.end("r1", 200)
    [span] = exported.get_finished_spans()
    trace_id, span_id = ids(span)
    name, value = trace.header
    assert (name, value[:53].decode()) == (b"traceresponse", f"00-{trace_id}-{span_id}-")
    assert int(value[53:], 16) & 1


def test_each_stage_has_a_span_as_long_as_its_timing(
    tracing, exported, inspection: Inspection
) -> None:
    trace = begun(tracing, SAMPLED)
    trace.answered(inspection)
    trace.end("r1", 200)
    spans = exported.get_finished_spans()
    assert [span.name for span in spans[:-1]] == STAGES
    parent = spans[-1]
    for span in spans[:-1]:
        timing_ms = asdict(inspection.timings)[f"{span.name}_ms"]
        assert (span.end_time - span.start_time) == timing_ms * 1e6
        assert span.parent == parent.context
        assert span.kind is SpanKind.INTERNAL


def test_stages_follow_one_another_and_end_with_the_answer(
    tracing, exported, inspection: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([1_000_000_000, 1_030_000_000])
    monkeypatch.setattr("takt.observing.tracing.spans.time.time_ns", lambda: next(clock))
    trace = begun(tracing)
    trace.answered(inspection)
    monkeypatch.undo()
    trace.end("r1", 200)
    stages = exported.get_finished_spans()[:-1]
    for before, after in pairwise(stages):
        assert before.end_time == after.start_time
    # 21 of 30 ms are the stages'; the others passed before the picture was there.
    assert stages[0].start_time == 1_009_000_000
    assert stages[-1].end_time == 1_030_000_000


def test_stages_that_add_up_to_more_than_the_request_do_not_begin_before_it(
    tracing, exported, inspection: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([1_000_000_000, 1_002_000_000])
    monkeypatch.setattr("takt.observing.tracing.spans.time.time_ns", lambda: next(clock))
    trace = begun(tracing)
    trace.answered(inspection)
    monkeypatch.undo()
    trace.end("r1", 200)
    assert exported.get_finished_spans()[0].start_time == 1_000_000_000


def test_without_a_heatmap_nothing_was_rendered(tracing, exported, inspection: Inspection) -> None:
    trace = begun(tracing)
    trace.answered(inspection._replace(heatmap=None))
    trace.end("r1", 200)
    assert [span.name for span in exported.get_finished_spans()[:-1]] == STAGES[:-1]


def test_the_answer_is_on_the_request_s_span(tracing, exported, inspection: Inspection) -> None:
    trace = begun(tracing)
    trace.answered(inspection)
    trace.end("r1", 200)
    attributes = exported.get_finished_spans()[-1].attributes
    assert {name: value for name, value in attributes.items() if name.startswith("takt.")} == {
        "takt.request_id": "r1",
        "takt.model": "parts",
        "takt.version": "3",
        "takt.verdict": "anomalous",
        "takt.score": 0.75,
        "takt.threshold": 0.5,
    }


def test_of_many_pictures_each_has_a_span_with_its_stages(
    tracing, exported, inspection: Inspection
) -> None:
    trace = begun(tracing)
    for _ in range(2):
        trace.answered(inspection)
    trace.end("r1", 200)
    spans = exported.get_finished_spans()
    request = spans[-1]
    pictures = [span for span in spans if span.name == "inspect"]
    assert [span.parent for span in pictures] == [request.context] * 2
    assert "takt.score" not in request.attributes
    for picture in pictures:
        below = [span.name for span in spans if span.parent == picture.context]
        assert below == STAGES
        assert picture.attributes["takt.verdict"] == "anomalous"


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("not_ready", 503, StatusCode.ERROR),
        ("engine_failed", 500, StatusCode.ERROR),
        ("queue_full", 429, StatusCode.UNSET),
        ("invalid_image", 400, StatusCode.UNSET),
    ],
)
def test_an_error_names_itself_and_marks_the_span_where_the_service_is_to_blame(
    tracing, exported, code: str, status: int, expected: StatusCode
) -> None:
    trace = begun(tracing)
    trace.failed(code, status)
    trace.failed("another", 500)
    trace.end("r1", status)
    [span] = exported.get_finished_spans()
    assert span.attributes["error.type"] == code
    assert span.attributes["http.response.status_code"] == status
    assert span.status.status_code is expected


def test_an_error_that_nobody_told_of_is_named_by_its_status(tracing, exported) -> None:
    begun(tracing).end("r1", 500)
    [span] = exported.get_finished_spans()
    assert span.attributes["error.type"] == "500"
    assert span.status.status_code is StatusCode.ERROR


def test_a_frames_number_beyond_the_protocols_is_exported_as_text(
    tracing, exported, caplog
) -> None:
    frames = tracing.stream(scope(SAMPLED, path="/v1/models/parts/stream", method="GET"), "parts")
    with frames.of(2**64 - 1, 1.0, "s-last"):
        pass
    [span] = exported.get_finished_spans()
    assert str(2**64 - 1) in str(encode_spans([span]))
    assert caplog.text == ""


def test_each_frame_is_a_trace_of_its_own_and_linked_to_the_handshake(
    tracing, exported, inspection: Inspection
) -> None:
    frames = tracing.stream(scope(SAMPLED, path="/v1/models/parts/stream", method="GET"), "parts")
    for sequence in (0, 1):
        with frames.of(sequence, 40.0, f"s-{sequence}"):
            current_trace().answered(inspection)  # type: ignore[union-attr]
    roots = [span for span in exported.get_finished_spans() if span.name == "stream frame"]
    assert len({ids(span)[0] for span in roots} | {TRACE_ID}) == 3
    for sequence, span in enumerate(roots):
        assert span.parent is None
        [link] = span.links
        assert f"{link.context.trace_id:032x}" == TRACE_ID
        assert span.attributes["takt.stream.sequence"] == sequence
        assert span.attributes["takt.request_id"] == f"s-{sequence}"
        assert 40e6 <= span.end_time - span.start_time < 10e9


def test_a_frame_of_a_caller_without_a_context_is_linked_to_nothing(
    tracing, exported, inspection: Inspection
) -> None:
    frames = tracing.stream(scope(path="/v1/models/parts/stream", method="GET"), "parts")
    with frames.of(7, 1.0, "s-7"):
        current_trace().failed("deadline_exceeded", 504)  # type: ignore[union-attr]
    [span] = exported.get_finished_spans()
    assert not span.links
    assert span.attributes["error.type"] == "deadline_exceeded"
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["takt.model"] == "parts"


def test_a_frame_that_is_not_recorded_has_no_current_trace() -> None:
    tracing = OtelTracing(TracerProvider(ALWAYS_OFF, shutdown_on_exit=False))
    frames = tracing.stream(scope(path="/v1/models/parts/stream", method="GET"), "parts")
    with frames.of(0, 1.0, "s-0"):
        assert current_trace() is None


def test_what_happens_within_a_frame_reaches_the_caller(
    tracing, exported, inspection: Inspection
) -> None:
    frames = tracing.stream(scope(path="/v1/models/parts/stream", method="GET"), "parts")
    fails: Callable[[], None] = lambda: (_ for _ in ()).throw(ZeroDivisionError)  # noqa: E731
    with pytest.raises(ZeroDivisionError), frames.of(0, 1.0, "s-0"):
        fails()
    assert len(exported.get_finished_spans()) == 1
    assert current_trace() is None
