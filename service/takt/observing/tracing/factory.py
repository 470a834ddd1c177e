"""Makes what records traces, as the setting `tracing` says."""

from __future__ import annotations

from takt.core.distribution import install_hint
from takt.core.errors import ConfigurationError
from takt.observing.tracing.base import Tracing, TracingKind


def open_tracing(kind: TracingKind) -> Tracing | None:
    """What records traces, by the setting `tracing`; None for no traces at all.

    >>> open_tracing("off") is None
    True

    Raises:
        ConfigurationError: OpenTelemetry is not installed, or its variables are wrong.
    """
    if kind == "off":
        return None
    try:
        from takt.observing.tracing.otlp import otlp_tracing
    except ImportError as error:
        raise ConfigurationError(
            f"tracing=otlp needs OpenTelemetry, which cannot be imported ({error}); "
            f"{install_hint('otel')}"
        ) from None
    return otlp_tracing()
