"""Many connections, and signals, against a real server process."""

from __future__ import annotations

import resource
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx

from takt.core.bundles.thresholds import DeployedThresholds, Overrides
from tests.conftest import Server

PATH = "/v1/models/parts/inspect"


def until(server: Server, true: Callable[[], object]) -> None:
    """Wait for it; the server's log says why it does not come."""
    end_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end_s, "".join(server.log)
        assert server.process.poll() is None, "".join(server.log)
        time.sleep(0.01)


def connected(server: Server, stack: ExitStack) -> socket.socket:
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    return stack.enter_context(socket.create_connection(address, timeout=60))


def test_silent_connections_neither_shut_clients_out_nor_use_up_the_descriptors(
    fork_server, bundle, repository, picture_bytes: Callable[..., bytes]
) -> None:
    body = picture_bytes()
    with fork_server(repository) as server, ExitStack() as stack:
        # Once it is ready, so that what it needs for itself is open.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (160, hard))
        good = stack.enter_context(httpx.Client(base_url=server.url, timeout=60))
        assert good.post(PATH, content=body).status_code == 200
        for _ in range(300):
            connected(server, stack)
        assert good.post(PATH, content=body).status_code == 200
        with httpx.Client(base_url=server.url, timeout=60) as late:
            until(server, lambda: late.post(PATH, content=body).status_code == 200)
        metrics = good.get("/metrics").text
        assert "takt_connections_limit 80.0" in metrics
        assert 'takt_connections_closed_total{reason="no_descriptor"} 0.0' in metrics
        until(server, lambda: "connections closed or refused" in "".join(server.log))
        assert "Traceback" not in "".join(server.log)


def test_signals_that_mean_nothing_change_nothing(start_server, bundle, repository) -> None:
    with start_server(repository) as server:
        for sent in (signal.SIGUSR1, signal.SIGUSR2):
            server.process.send_signal(sent)
            said = f"{sent.name} changes nothing here"
            until(server, lambda said=said: said in "".join(server.log))
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
        assert server.stop() in (0, -signal.SIGTERM)


def test_sighup_takes_what_the_repository_states_by_now(
    fork_server, bundle, make_bundle, repository
) -> None:
    unwatched = fork_server(repository, "--repository-poll-s", "0")
    with unwatched as server, httpx.Client(base_url=server.url) as client:
        before = client.get("/v1/models/parts").json()
        assert (before["active"], len(before["versions"])) == ("1", 1)
        make_bundle(version="2")
        thresholds = DeployedThresholds(bundle, Overrides())
        thresholds.change(image=0.25, pixel=None, reason=None)
        server.process.send_signal(signal.SIGHUP)

        def taken() -> bool:
            model = client.get("/v1/models/parts").json()
            assert model["active"] == "1"
            if [one["state"] for one in model["versions"]] != ["ready", "ready"]:
                return False
            image = [one["thresholds"]["image"] for one in model["versions"]]
            return image == [0.25, 0.5]

        until(server, taken)
        assert server.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in "".join(server.log)


def test_sigquit_answers_what_was_accepted_and_dumps_no_core(
    start_server, bundle, repository, picture_bytes: Callable[..., bytes]
) -> None:
    body = picture_bytes(50, ".png", size=(2000, 1500))
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with start_server(repository) as server, ExitStack() as stack:
        client = connected(server, stack)
        client.sendall(head.encode() + body[:-100])
        until(server, lambda: "takt_in_flight 2.0" in httpx.get(f"{server.url}/metrics").text)
        server.process.send_signal(signal.SIGQUIT)
        until(server, lambda: "Shutting down" in "".join(server.log))
        client.sendall(body[-100:])
        assert client.recv(12) == b"HTTP/1.1 200"
        client.close()
        assert server.process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_refused_handshakes_fill_no_log(fork_server, bundle, repository) -> None:
    asked = (
        "GET /v1/models/none/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with fork_server(repository) as server:
        before = len(server.log)
        for _ in range(50):
            with ExitStack() as stack:
                connection = connected(server, stack)
                connection.sendall(asked.encode())
                assert connection.recv(1000).startswith(b"HTTP/1.1 403")
                while connection.recv(1000):
                    pass
        # What came before is written by then.
        server.process.send_signal(signal.SIGUSR1)
        until(server, lambda: "SIGUSR1 changes nothing here" in "".join(server.log))
        assert len(server.log) - before <= 4, "".join(server.log)
