"""A server of several workers, and clients with a connection each, for tests."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from tests.conftest import Server

WITHIN_S = 60.0
INSPECT = "/v1/models/parts/inspect"


class Caller:
    """One client with one connection, which it opens again where it was told to."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = HTTPConnection(parts.hostname, parts.port, timeout=WITHIN_S)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        """Status, and which worker has answered: ids that a worker gives begin alike."""
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, (answer.getheader("x-request-id") or "")[:20]

    def post(self, path: str, body: bytes) -> dict[str, Any]:
        """The answer to what is sent."""
        self._connection.request("POST", path, body)
        return dict(json.loads(self._connection.getresponse().read()))

    @property
    def address(self) -> object:
        """Of its end of the connection; None if it is closed."""
        return self._connection.sock.getsockname() if self._connection.sock else None

    def close(self) -> None:
        """Close its connection."""
        self._connection.close()


@contextlib.contextmanager
def callers(url: str, number: int) -> Iterator[list[Caller]]:
    """Clients that have a connection each."""
    made = [Caller(url) for _ in range(number)]
    try:
        for one in made:
            assert one.ask("GET", "/health/live")[0] == 200
        yield made
    finally:
        for one in made:
            one.close()


@contextlib.contextmanager
def callers_of_all(url: str, number: int, workers: int) -> Iterator[list[Caller]]:
    """Clients of whom each of so many workers has one at least.

    A worker that is slow for a moment gets no connection in it.
    """
    with contextlib.ExitStack() as opened:
        made: list[Caller] = []

        def shared() -> bool:
            nonlocal made
            opened.close()
            made = opened.enter_context(callers(url, number))
            return len({one.ask("GET", "/v1/models")[1] for one in made}) == workers

        eventually(shared)
        yield made


@dataclass
class Load:
    """What clients have got that ask without a pause."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    """Requests that were sent and got no answer."""
    stopped: threading.Event = field(default_factory=threading.Event)

    def _ask(self, url: str, path: str, picture: bytes | None) -> None:
        method = "GET" if picture is None else "POST"
        caller = Caller(url)
        with contextlib.closing(caller):
            while not self.stopped.is_set():
                try:
                    self.statuses[caller.ask(method, path, picture)[0]] += 1
                except (HTTPException, OSError):
                    self.broken += 1
                    caller.close()


@contextlib.contextmanager
def load(
    server: Server, clients: int, picture: bytes | None, path: str = INSPECT
) -> Iterator[Load]:
    """Clients that ask until the block ends, which is when the figures are whole."""
    under = Load()
    with ThreadPoolExecutor(clients) as threads:
        asking = [threads.submit(under._ask, server.url, path, picture) for _ in range(clients)]
        try:
            yield under
        finally:
            under.stopped.set()
    for one in asking:
        one.result()


def eventually(holds: Callable[[], object]) -> None:
    """Wait until something holds; fail if it does not in time."""
    until_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < until_s
        threading.Event().wait(0.02)


def ready(server: Server) -> bool:
    """Whether the worker that a new connection comes to says that its models answer.

    It says so a moment after its log does, and the supervisor prefers it from then on.
    """
    return httpx.get(f"{server.url}/health/ready").status_code == 200


def wait_until_all_serve(server: Server, workers: int) -> None:
    """Wait until new connections are shared among this many workers, and none is open.

    Connections are shared among workers that load their models, too, until one says it is ready.
    """

    def shared() -> bool:
        with callers(server.url, workers) as clients:
            answers = {one.ask("GET", "/health/ready") for one in clients}
        return len(answers) == workers and {status for status, _ in answers} == {200}

    eventually(shared)
    # The one that asks.
    eventually(lambda: re.search(r"^takt_connections 1\.0$", metrics(server), re.MULTILINE))


def metrics(server: Server) -> str:
    """What the server says of itself, as text."""
    return httpx.get(f"{server.url}/metrics").text


def workers_of(server: Server) -> set[int]:
    """Ids of the processes that serve, whichever process has forked them."""
    found: set[int] = set()
    for nursery in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            found |= {one.pid for one in nursery.children()}
    return found


def said(server: Server, text: str) -> int:
    """How often the log says this."""
    return sum(text in line for line in list(server.log))
