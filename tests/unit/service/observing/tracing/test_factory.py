"""What the setting `tracing` brings."""

from __future__ import annotations

import sys

import pytest

from takt.core.errors import ConfigurationError
from takt.observing.tracing.factory import open_tracing


def test_off_is_nothing_at_all() -> None:
    assert open_tracing("off") is None


def test_where_opentelemetry_is_missing_the_error_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "takt.observing.tracing.otlp", raising=False)
    monkeypatch.delattr("takt.observing.tracing.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'opentelemetry-api>=1\.30'"):
        open_tracing("otlp")
