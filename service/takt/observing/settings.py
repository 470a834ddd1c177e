"""What may be set of logs and traces."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from takt.declaration import under
from takt.observing.logging_setup import LogFormat
from takt.observing.tracing.base import TracingKind

LogLevel = Literal["debug", "info", "warning", "error"]

_observing = under("Observing")


class ObservingSettings(BaseModel):
    """Logs and traces."""

    log_level: LogLevel = _observing("info", "Least severe message that is logged.")
    log_format: LogFormat = _observing(
        "text", "Of everything that is logged: lines for people, or JSON, one a line."
    )
    request_log: bool = _observing(
        True,
        "A line for each picture, of level info: id, model, verdict, timings; of "
        "level warning where it got 429 or an error of the service.",
    )
    tracing: TracingKind = _observing(
        "off",
        "otlp sends a trace of each picture to the collector that "
        "OTEL_EXPORTER_OTLP_ENDPOINT names; it needs the extra `otel`.",
    )
