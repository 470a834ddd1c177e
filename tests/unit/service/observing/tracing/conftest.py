"""Spans that are kept in memory."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from takt.core.domain import Box, Heatmap, Inspection, Timings, Verdict
from takt.observing.tracing.otlp import OtelTracing


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> OtelTracing:
    for name in ("OTEL_TRACES_SAMPLER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return OtelTracing(provider)


@pytest.fixture
def inspection() -> Inspection:
    return Inspection(
        model="parts",
        version="3",
        verdict=Verdict(anomalous=True, score=0.75, threshold=0.5, percentile=None, regions=()),
        width=64,
        height=48,
        inspected=Box(0, 0, 64, 48),
        heatmap=Heatmap("map", "png", b"PNG"),
        timings=Timings(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 30.0),
    )
