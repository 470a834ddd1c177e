"""W3C headers that tell the server which trace a call belongs to."""

from __future__ import annotations

import sys


def trace_headers() -> dict[str, str]:
    """`traceparent` and `tracestate` of the current span; empty where there is none.

    OpenTelemetry is never imported here: a program that has a span has loaded it already.
    """
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if not get_current_span().get_span_context().is_valid:
        return {}
    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers
