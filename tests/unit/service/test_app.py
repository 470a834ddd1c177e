"""What a process loads that serves, and what it leaves to those who ask for it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def loaded() -> frozenset[str]:
    """The modules of a process that could serve."""
    code = "import sys, takt.app, takt.server.server, takt.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    found = frozenset(done.stdout.split())
    assert {"takt.app", "takt.cli", "takt.observing.tracing.base"} <= found
    return found


def test_importing_the_app_loads_no_torch_and_no_offline_code(loaded: frozenset[str]) -> None:
    houses = {name.partition(".")[0] for name in loaded}
    assert not houses & {"torch", "takt_export", "takt_models", "onnx"}


def test_the_app_alone_loads_no_sdk_and_no_exporter_of_traces(loaded: frozenset[str]) -> None:
    assert not [name for name in loaded if name.startswith("opentelemetry.sdk")]
    assert not [name for name in loaded if name.startswith("opentelemetry.exporter")]


def test_a_server_of_a_folder_imports_nothing_of_stores(loaded: frozenset[str]) -> None:
    assert not loaded & {"fsspec", "aiohttp"}


def test_serving_imports_no_client(loaded: frozenset[str]) -> None:
    assert not loaded & {"takt_client", "httpx"}
