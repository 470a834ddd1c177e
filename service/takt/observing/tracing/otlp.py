"""Traces to a collector by OTLP over HTTP, as OpenTelemetry's own variables say."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from takt.core.distribution import version
from takt.core.errors import ConfigurationError
from takt.observing.tracing.base import FrameTraces, Scope, Trace
from takt.observing.tracing.spans import begin_request, frames_of

logger = logging.getLogger("takt.tracing")

_LOST_CAUSE_S = 1.0
"""Longest wait at the end for a collector that took nothing the last time either."""


class LoggedExporter(SpanExporter):
    """Logs once that spans cannot be sent, and once that they can be again.

    Args:
        exporter: sends the spans.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that cannot be sent are lost."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            logger.debug("spans were not sent", exc_info=error)
            result = SpanExportResult.FAILURE
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self.failing:
            logger.warning(
                "the collector takes no spans, and they are lost until it does; is "
                "OTEL_EXPORTER_OTLP_ENDPOINT right? Inspections go on"
            )
        elif self.failing and not failing:
            logger.info("the collector takes spans again")
        self.failing = failing
        return result

    def shutdown(self) -> None:
        """Stop sending, even in the middle of it."""
        self._exporter.shutdown()


class OtelTracing:
    """Records traces by OpenTelemetry's SDK; a `tracing.base.Tracing`.

    The provider is not made the global one, as other libraries would trace then as well.

    >>> tracing = OtelTracing(TracerProvider(shutdown_on_exit=False))
    >>> trace = tracing.request({"method": "GET", "path": "/metrics", "headers": []})
    >>> trace is None
    True

    Args:
        provider: makes the tracer.
        exporter: takes the provider's spans, if they go anywhere.
    """

    def __init__(self, provider: TracerProvider, exporter: LoggedExporter | None = None) -> None:
        self._provider = provider
        self._exporter = exporter
        self._tracer = provider.get_tracer("takt", version())

    def request(self, scope: Scope) -> Trace | None:
        """Begin the span of an HTTP request."""
        return begin_request(self._tracer, scope)

    def stream(self, scope: Scope, model: str) -> FrameTraces:
        """The traces of the frames of a stream."""
        return frames_of(self._tracer, scope, model)

    async def close(self, timeout_s: float) -> None:
        """Send what is recorded, and stop."""
        ending = threading.Thread(target=self._provider.shutdown, name="tracing", daemon=True)
        ending.start()
        if self._exporter is not None and self._exporter.failing:
            timeout_s = min(timeout_s, _LOST_CAUSE_S)
        await asyncio.to_thread(ending.join, timeout_s)
        if ending.is_alive():
            logger.warning("the collector did not take the last spans in %.1f s", timeout_s)
            if self._exporter is not None:
                self._exporter.shutdown()


def otlp_tracing() -> OtelTracing:
    """Traces that are sent from a thread of their own, so that no request waits for the collector.

    Endpoint, headers, sampler, limits and the service's name come from `OTEL_*`.

    Raises:
        ConfigurationError: one of these variables is wrong.
    """
    # They log the same for each batch, and `LoggedExporter` says what counts.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    logging.getLogger("opentelemetry.sdk").setLevel(logging.ERROR)
    try:
        exporter = LoggedExporter(OTLPSpanExporter())
        provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"a variable of OpenTelemetry is wrong: {error}") from error
    return OtelTracing(provider, exporter)


def resource() -> Resource:
    """The service that the spans name: `takt`, unless `OTEL_SERVICE_NAME` names another."""
    ours = {"service.name": "takt", "service.version": version()}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})
