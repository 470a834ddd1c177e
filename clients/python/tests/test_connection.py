"""Both clients tell the server which trace a call belongs to."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer
from websockets.sync.server import ServerConnection

from takt_client import TaktClient

HEADERS = ("traceparent", "tracestate")


@pytest.fixture
def tracer() -> Tracer:
    return TracerProvider(shutdown_on_exit=False).get_tracer("test")


def test_a_call_within_a_span_names_it(call, tracer: Tracer) -> None:
    seen: list[str | None] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("traceparent"))
        return httpx.Response(200, json={"models": []})

    with tracer.start_as_current_span("caller") as span:
        call(handle, "models")
    context = span.get_span_context()
    [header] = seen
    assert header is not None
    assert header.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")


def test_a_call_without_a_span_names_none(call) -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.extend(name for name in HEADERS if name in request.headers)
        return httpx.Response(200, json={"models": []})

    call(handle, "models")
    assert not seen


def test_a_stream_is_opened_for_the_span_it_was_begun_in(scripted, wire, tracer: Tracer) -> None:
    seen: list[str | None] = []

    def greet(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers.get("traceparent"))
        connection.recv()
        connection.send(wire.welcome())
        connection.recv()

    with scripted(greet) as url, TaktClient(url) as client:
        with tracer.start_as_current_span("caller") as span:
            stream = client.stream("parts")
        with stream:
            pass
    assert f"{span.get_span_context().trace_id:032x}" in str(seen)


def test_a_program_without_opentelemetry_does_not_load_it() -> None:
    code = (
        "import sys; from takt_client.connection import trace_headers; "
        "assert trace_headers() == {}; "
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
