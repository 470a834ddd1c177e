"""The GPU build of ONNX Runtime on a host without a GPU: it lists what it cannot run."""

from __future__ import annotations

import importlib.metadata
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.variant import Provider
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.errors import ConfigurationError


def has_gpu_build() -> bool:
    try:
        importlib.metadata.version("onnxruntime-gpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


pytestmark = [
    pytest.mark.skipif(not has_gpu_build(), reason="onnxruntime-gpu is not installed"),
    pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="this host has a GPU"),
]


def engine_of(url: str) -> str:
    with urllib.request.urlopen(f"{url}/v1/models", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    (version,) = found["models"][0]["versions"]
    engine: str = version["engine"]
    return engine


def test_the_cpu_is_served(start_server: Callable[..., Any], bundle: Bundle) -> None:
    with start_server(bundle.path.parents[1], "--engine", "onnxruntime") as server:
        assert engine_of(server.url).startswith("onnxruntime CPUExecutionProvider")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_the_cpu_serves_for_a_gpu_where_that_is_allowed_and_says_so(
    start_server: Callable[..., Any], bundle: Bundle, provider: str
) -> None:
    options = ("--engine", provider, "--provider-fallback")
    with start_server(bundle.path.parents[1], *options) as server:
        assert engine_of(server.url).startswith("onnxruntime CPUExecutionProvider")
        (warning,) = [line for line in server.log if "WARNING" in line]
    assert "as provider_fallback allows" in warning
    assert "cannot be had on this host" in warning
    assert not [line for line in server.log if "onnxruntime:" in line]


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_that_is_listed_and_not_there_is_refused_with_one_message_and_no_noise(
    bundle: Bundle, provider: Provider, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be had on this host"):
        OnnxRuntimeEngine.open(bundle.model_path, provider=provider)
    assert capfd.readouterr() == ("", "")
