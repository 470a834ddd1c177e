"""Where a store sends the server elsewhere: credentials stay with the host that they are for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.mirroring.location import parse_location
from service.mirroring.store import open_store

pytest.importorskip("aiohttp")


@dataclass
class Host:
    """A web server that sends everybody elsewhere, or answers.

    Attributes:
        port: of it.
        shown: what each request has shown in `Authorization`.
        elsewhere: beginning of the URL to which it sends; None where it answers.
    """

    port: int = 0
    shown: list[str | None] = field(default_factory=list)
    elsewhere: str | None = None


@contextmanager
def serving() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.shown.append(self.headers["Authorization"])
            body = b"" if host.elsewhere else b"content"
            self.send_response(302 if host.elsewhere else 200)
            if host.elsewhere:
                self.send_header("Location", host.elsewhere + self.path)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with ExitStack() as stack:
        yield stack.enter_context(serving()), stack.enter_context(serving())


def read(host: Host) -> bytes:
    location = parse_location(f"http://me:secret@127.0.0.1:{host.port}/bundles")
    return open_store(location, threading.Event()).read("parts", "active.json", most_bytes=100)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_what_a_store_sends_to_another_host_gets_no_credentials(
    hosts: tuple[Host, Host], name: str
) -> None:
    store, other = hosts
    store.elsewhere = f"http://{name}:{other.port}"
    assert read(store) == b"content"
    assert store.shown[0] is not None and store.shown[0].startswith("Basic ")
    assert other.shown == [None]


def test_a_way_back_to_the_store_shows_no_credentials_again(hosts: tuple[Host, Host]) -> None:
    store, other = hosts
    store.elsewhere = f"http://127.0.0.1:{other.port}"
    other.elsewhere = f"http://localhost:{store.port}"
    with pytest.raises(Exception, match=r"redirect|answer"):
        read(store)
    assert {*store.shown[1:], *other.shown} == {None}
