"""Spans of requests, frames and stages, by OpenTelemetry's API."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from takt.core.domain import STAGES, Inspection
from takt.observing.instruments.verdict_label import verdict_label
from takt.observing.tracing.base import Scope, use_trace

Attributes = dict[str, AttributeValue]

_INSPECTS = re.compile(r"/(v1|v2)/models/[^/]+(/versions/[^/]+)?/(inspect|infer)")
_INFER_CALL = re.compile(r"/(inference\.\w+)/(ModelInfer)")
_CONTEXT_HEADERS = (b"traceparent", b"tracestate")


class PictureSpan:
    """A span that is recorded; a `tracing.base.Trace`.

    The spans of its stages are made when it ends, after the answer was sent.

    Args:
        tracer: makes the spans of the stages.
        span: the span, begun.
        begun_ns: the time at which it began, in ns since 1970.
    """

    def __init__(self, tracer: Tracer, span: Span, begun_ns: int) -> None:
        self._tracer = tracer
        self._span = span
        self._begun_ns = begun_ns
        self._answers: list[tuple[Inspection, int]] = []
        self._error: tuple[str, int] | None = None
        context = span.get_span_context()
        self.trace_id = f"{context.trace_id:032x}"
        ids = f"00-{self.trace_id}-{context.span_id:016x}-{context.trace_flags:02x}"
        self.header = (b"traceresponse", ids.encode())

    def answered(self, inspection: Inspection) -> None:
        """Note an answer."""
        self._answers.append((inspection, time.time_ns()))

    def failed(self, code: str, status: int) -> None:
        """Note the error that was the answer."""
        self._error = self._error or (code, status)

    def end(self, request_id: str, status: int | None = None) -> None:
        """Make the spans of the stages, and end the span."""
        self._span.set_attribute("takt.request_id", request_id)
        if len(self._answers) == 1:
            [(inspection, answered_ns)] = self._answers
            self._span.set_attributes(_of_answer(inspection))
            self._add_stages(self._span, inspection, self._begun_ns, answered_ns)
        else:
            for inspection, answered_ns in self._answers:
                self._add_picture(inspection, answered_ns)
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if self._error is not None:
            self._set_error(*self._error)
        elif status is not None and status >= 400:
            self._set_error(str(status), status)
        self._span.end()

    def _add_picture(self, inspection: Inspection, answered_ns: int) -> None:
        """Add one of many pictures, as a span below the request's."""
        begun_ns = max(self._begun_ns, answered_ns - _ns(inspection.timings.total_ms))
        span = self._tracer.start_span(
            "inspect",
            set_span_in_context(self._span, Context()),
            attributes=_of_answer(inspection),
            start_time=begun_ns,
        )
        self._add_stages(span, inspection, begun_ns, answered_ns)
        span.end(answered_ns)

    def _add_stages(
        self, parent: Span, inspection: Inspection, begun_ns: int, answered_ns: int
    ) -> None:
        """Add a span for each stage, one after another; the last one ends with the answer.

        The time before the first one is that of the upload and of changes of threads. Without a
        heatmap nothing was rendered, and there is no such span.
        """
        context = set_span_in_context(parent, Context())
        timings = inspection.timings
        took_ns = {stage: _ns(getattr(timings, f"{stage}_ms")) for stage in STAGES[:-1]}
        if inspection.heatmap is None:
            del took_ns["render"]
        at_ns = max(begun_ns, answered_ns - sum(took_ns.values()))
        for stage, stage_ns in took_ns.items():
            span = self._tracer.start_span(stage, context, start_time=at_ns)
            at_ns += stage_ns
            span.end(at_ns)

    def _set_error(self, code: str, status: int) -> None:
        """Name the error; as HTTP's spans do, the span fails only if the service did."""
        self._span.set_attribute("error.type", code)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)


class FrameSpans:
    """The spans of a stream's frames, each a trace of its own; a `tracing.base.FrameTraces`.

    A stream may last for weeks, and a trace must not: each is linked to that of the handshake.

    Args:
        tracer: makes the spans.
        attributes: attributes of every frame's span.
        handshake: the caller's context in the handshake.
    """

    def __init__(self, tracer: Tracer, attributes: Attributes, handshake: Context) -> None:
        self._tracer = tracer
        self._attributes = attributes
        caller = get_current_span(handshake).get_span_context()
        self._links = [Link(caller)] if caller.is_valid else []

    @contextmanager
    def of(self, sequence: int, age_ms: float, request_id: str) -> Iterator[None]:
        """The span of a frame, for the time in which its outcome is sent."""
        begun_ns = time.time_ns() - _ns(age_ms)
        # The protocol's whole numbers have a sign and 64 bits.
        number = sequence if sequence < 2**63 else str(sequence)
        attributes = self._attributes | {"takt.stream.sequence": number}
        span = self._tracer.start_span(
            "stream frame", Context(), SpanKind.SERVER, attributes, self._links, begun_ns
        )
        if not span.is_recording():
            yield
            return
        picture = PictureSpan(self._tracer, span, begun_ns)
        try:
            with use_trace(picture):
                yield
        finally:
            picture.end(request_id)


def begin_request(tracer: Tracer, scope: Scope) -> PictureSpan | None:
    """Begin the span of a request, below the caller's; None if it does not inspect or record."""
    described = _described_call(scope) if scope.get("type") == "grpc" else _described(scope)
    if described is None:
        return None
    name, attributes = described
    begun_ns = time.time_ns()
    span = tracer.start_span(
        name, _caller_of(scope), SpanKind.SERVER, attributes, start_time=begun_ns
    )
    return PictureSpan(tracer, span, begun_ns) if span.is_recording() else None


def _described(scope: Scope) -> tuple[str, Attributes] | None:
    """Name and attributes of a request by HTTP; None if it does not inspect."""
    asked = _INSPECTS.fullmatch(scope["path"])
    if asked is None or scope["method"] != "POST":
        return None
    surface, version, verb = asked.groups()
    route = f"/{surface}/models/{{name}}{'/versions/{version}' if version else ''}/{verb}"
    attributes = _of_connection(scope) | {"http.request.method": "POST", "http.route": route}
    return f"POST {route}", attributes


def _described_call(scope: Scope) -> tuple[str, Attributes] | None:
    """Name and attributes of a call by gRPC; None if it does not inspect."""
    asked = _INFER_CALL.fullmatch(scope["path"])
    if asked is None:
        return None
    service, method = asked.groups()
    attributes: Attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
    if client := scope.get("client"):
        attributes["client.address"] = client[0]
    return scope["path"].lstrip("/"), attributes


def frames_of(tracer: Tracer, scope: Scope, model: str) -> FrameSpans:
    """The spans of a stream's frames, from its handshake."""
    return FrameSpans(tracer, _of_connection(scope) | {"takt.model": model}, _caller_of(scope))


def _caller_of(scope: Scope) -> Context:
    """The caller's context, from W3C's headers; an empty one without them."""
    carrier: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in _CONTEXT_HEADERS:
            key, text = name.decode(), value.decode("latin-1")
            carrier[key] = f"{carrier[key]},{text}" if key in carrier else text
    return TraceContextTextMapPropagator().extract(carrier, Context()) if carrier else Context()


def _of_connection(scope: Scope) -> Attributes:
    attributes: Attributes = {
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"],
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    if client := scope.get("client"):
        attributes["client.address"] = client[0]
    if server := scope.get("server"):
        attributes["server.address"] = server[0]
        if server[1] is not None:
            attributes["server.port"] = server[1]
    return attributes


def _of_answer(inspection: Inspection) -> Attributes:
    verdict = inspection.verdict
    return {
        "takt.model": inspection.model,
        "takt.version": inspection.version,
        "takt.verdict": verdict_label(verdict),
        "takt.score": float(verdict.score),
        "takt.threshold": float(verdict.threshold),
    }


def _ns(ms: float) -> int:
    return round(ms * 1e6)
