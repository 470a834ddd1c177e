"""What the setting `tracing` brings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from service.core.errors import ConfigurationError
from service.observing.tracing.factory import open_tracing


def test_off_is_nothing_at_all() -> None:
    assert open_tracing("off") is None


def test_the_app_alone_loads_no_sdk_and_no_exporter() -> None:
    code = "import sys, service.app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "service.observing.tracing.base" in loaded
    assert not [name for name in loaded if name.startswith("opentelemetry.sdk")]
    assert not [name for name in loaded if name.startswith("opentelemetry.exporter")]


def test_where_opentelemetry_is_missing_the_error_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "service.observing.tracing.otlp", raising=False)
    monkeypatch.delattr("service.observing.tracing.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'opentelemetry-api>=1\.30'"):
        open_tracing("otlp")
