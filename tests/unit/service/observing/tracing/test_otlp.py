"""The way of spans to a collector: in the background, bounded, and quiet."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from takt.core.errors import ConfigurationError
from takt.observing.tracing.otlp import LoggedExporter, OtelTracing, otlp_tracing, resource

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/models/parts/inspect",
    "headers": [],
}


class Scripted(SpanExporter):
    """Answers each export by the next word of its script."""

    def __init__(self, *script: SpanExportResult | Exception) -> None:
        self._script = list(script)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        word = self._script.pop(0)
        if isinstance(word, Exception):
            raise word
        return word


class Hanging(SpanExporter):
    """Takes spans, and never answers until it is shut down."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.released.wait(60)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.released.set()


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACES_SAMPLER", "SERVICE_NAME", "RESOURCE_ATTRIBUTES", "SDK_DISABLED"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)


def over(exporter: SpanExporter) -> OtelTracing:
    told = LoggedExporter(exporter)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(told, schedule_delay_millis=3_600_000))
    return OtelTracing(provider, told)


def test_a_collector_that_is_down_is_told_of_once_and_once_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ok, failure = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    exporter = LoggedExporter(Scripted(ok, failure, OSError("no route"), failure, ok, ok, failure))
    with caplog.at_level(logging.INFO, "takt.tracing"):
        results = [exporter.export(()) for _ in range(7)]
    assert results == [ok, failure, failure, failure, ok, ok, failure]
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO", "WARNING"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caplog.messages[0]


def test_closing_sends_what_is_recorded() -> None:
    exporter = InMemorySpanExporter()
    tracing = over(exporter)
    for number in range(1000):
        trace = tracing.request(SCOPE)
        assert trace is not None
        trace.end(str(number), 200)
    asyncio.run(tracing.close(30.0))
    assert len(exporter.get_finished_spans()) == 1000


def test_closing_gives_a_collector_up_that_does_not_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter = Hanging()
    tracing = over(exporter)
    trace = tracing.request(SCOPE)
    assert trace is not None
    trace.end("r1", 200)
    asyncio.run(tracing.close(0.01))
    assert exporter.released.is_set()
    assert "did not take the last spans" in caplog.text


def test_the_service_is_named_takt_unless_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resource().attributes["service.name"] == "takt"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=line-3,plant=north")
    attributes = resource().attributes
    assert (attributes["service.name"], attributes["plant"]) == ("line-3", "north")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "line-4")
    assert resource().attributes["service.name"] == "line-4"


def test_the_standard_variables_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    tracing = otlp_tracing()
    try:
        assert tracing.request(SCOPE) is None
    finally:
        asyncio.run(tracing.close(10.0))


def test_a_variable_that_is_wrong_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(ConfigurationError, match="max_queue_size must be"):
        otlp_tracing()
