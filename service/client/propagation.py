"""The trace that a call belongs to, told to the server by W3C's headers."""

from __future__ import annotations

import sys


def trace_headers() -> dict[str, str]:
    """`traceparent` and `tracestate` of the current span; none where there is no span.

    A program that has one has OpenTelemetry loaded, so that nobody else pays for it.
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
