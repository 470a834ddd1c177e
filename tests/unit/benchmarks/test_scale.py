import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from benchmarks.scale.load import exact, timed
from benchmarks.scale.workers import Probe, connections_of, workers_of

FAMILY = """
import subprocess, sys
worker = [sys.executable, "-c", "input()"]
between = f"import subprocess; one, two = [subprocess.Popen({worker}, stdin=subprocess.PIPE)"
between += " for _ in range(2)]; print(one.pid, two.pid, flush=True); input()"
subprocess.run([sys.executable, "-c", between])
"""
"""A process, one that it has started, and two that this one has started and names."""


class Ready(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class NotReady(Ready):
    status = 503


@contextmanager
def listening(handler: type[Ready]) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_connection_that_ends_with_a_request_on_it_is_broken_and_no_refused_one() -> None:
    line = '@@{"requests":90,"run_s":2.0,"p99_ms":7.5,"refused":3}'
    found = timed(f"  Socket errors: connect 4, read 15, write 0, timeout 1\n{line}")
    assert (found.broken, found.refused, found.other, found.per_s) == (16, 4, 3, 45)


def test_without_errors_there_are_none() -> None:
    found = timed('@@{"requests":90,"run_s":2.0,"p99_ms":7.5,"refused":0}')
    assert (found.broken, found.refused, found.other) == (0, 0, 0)


def test_a_generator_that_gave_no_figures_is_told_with_what_it_said() -> None:
    with pytest.raises(SystemExit, match="unable to connect"):
        timed("unable to connect")
    with pytest.raises(SystemExit, match="unknown option"):
        exact("unknown option")


def test_the_answers_of_an_exact_number_of_requests_are_those_of_200_to_299() -> None:
    said = """
requests: 1000 total, 88 started, 80 done, 80 succeeded, 920 failed, 920 errored, 0 timeout
status codes: 79 2xx, 0 3xx, 1 4xx, 0 5xx
"""
    found = exact(said)
    assert (found.asked, found.failed, found.answered, found.other) == (1000, 920, 79, 1)


def test_workers_are_the_processes_of_the_process_between() -> None:
    command = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout and first.stdin
        named = {int(word) for word in first.stdout.readline().split()}
        assert workers_of(first.pid) == named
        first.stdin.close()


def test_connections_are_those_to_the_port() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        assert connections_of(os.getpid(), port) == 0
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
            assert connections_of(os.getpid(), port) == 1
            assert connections_of(os.getppid(), port) == 0


def test_the_process_that_holds_the_connection_has_answered() -> None:
    with listening(Ready) as url, closing(Probe(url, keep=1)) as probe:
        assert probe.ask({os.getppid(), os.getpid()}) == os.getpid()
        assert probe.ask({os.getppid()}) is None


def test_the_last_connections_stay_open() -> None:
    with listening(Ready) as url:
        port = int(url.rpartition(":")[2])
        with closing(Probe(url, keep=2)) as probe:
            for _ in range(4):
                probe.ask({os.getpid()})
            # Both ends are this process's.
            assert connections_of(os.getpid(), port) >= 2


def test_who_is_not_ready_does_not_count_and_nobody_there_is_an_error() -> None:
    with listening(NotReady) as url, closing(Probe(url, keep=1)) as probe:
        assert probe.ask({os.getpid()}) is None
    with closing(Probe(url, keep=1)) as probe, pytest.raises(ConnectionRefusedError):
        probe.ask({os.getpid()})
