"""A real server process and a real OTLP/HTTP collector, small enough for a test."""

from __future__ import annotations

import gzip
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATH = "/v1/models/parts/inspect"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PICTURES = 20
STAGES = 5


class Collector(ThreadingHTTPServer):
    """Keeps what is exported to it."""

    def __init__(self) -> None:
        self.received: list[ExportTraceServiceRequest] = []
        self.paths: set[str] = set()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.paths.add(self.path)
        self.server.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_picture_is_at_the_collector_once_the_server_has_ended(
    fork_server,
    bundle,
    repository: Path,
    picture_bytes: Callable[..., bytes],
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    with fork_server(repository, "--tracing", "otlp") as server:
        headers = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
        with httpx.Client(base_url=server.url, headers=headers) as http:
            for _ in range(PICTURES):
                assert http.post(PATH, content=picture_bytes()).status_code == 200
            assert http.post(PATH, content=b"none").status_code == 400
        # Nothing was due before: the end alone has sent them.
        assert not collector.received
        assert server.stop() in (0, -signal.SIGTERM)
    assert collector.paths == {"/v1/traces"}
    [resource] = {
        request.resource_spans[0].resource.SerializeToString() for request in collector.received
    }
    assert b"takt" in resource
    roots = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]
    assert len(roots) == PICTURES + 1
    assert len(collector.spans) == len(roots) + PICTURES * STAGES
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE_ID}
    assert {span.parent_span_id.hex() for span in roots} == {SPAN_ID}


def test_a_collector_that_is_not_there_disturbs_nobody(
    fork_server,
    bundle,
    repository: Path,
    picture_bytes: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Collector() as nobody:
        url = nobody.url
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
    with fork_server(repository, "--tracing", "otlp") as server:
        with httpx.Client(base_url=server.url) as http:
            told: list[str] = []
            while not told:
                assert http.post(PATH, content=picture_bytes()).status_code == 200
                told = [line for line in server.log if "takes no spans" in line]
            for _ in range(50):
                assert http.post(PATH, content=picture_bytes()).status_code == 200
        assert server.stop() in (0, -signal.SIGTERM)
        quiet = [line for line in server.log if "takt.request" not in line]
        assert len([line for line in quiet if "spans" in line.lower()]) <= 2
        assert "Traceback" not in "".join(quiet)
