"""Where a store sends the server elsewhere: no other host is asked, with or without credentials."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from takt.core.errors import UnavailableError
from takt.mirroring.location import parse_location
from takt.mirroring.redirects import stays_there
from takt.mirroring.store import open_store

pytest.importorskip("aiohttp")


@dataclass
class Host:
    """A web server that sends everybody elsewhere, or answers.

    Attributes:
        port: of it.
        shown: what each request has shown in `Authorization`.
        elsewhere: beginning of the URL to which it sends; None where it answers.
        once: whether it sends the first request only.
    """

    port: int = 0
    once: bool = False
    shown: list[str | None] = field(default_factory=list)
    elsewhere: str | None = None


@contextmanager
def serving() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sends = host.elsewhere is not None and not (host.once and host.shown)
            host.shown.append(self.headers["Authorization"])
            body = b"" if sends else b"content"
            self.send_response(302 if sends else 200)
            if sends:
                self.send_header("Location", f"{host.elsewhere}{self.path}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
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


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:{}", "http://localhost:{}", "//[::1]:{}"])
def test_another_host_or_port_to_which_a_store_sends_is_not_asked(
    hosts: tuple[Host, Host], elsewhere: str
) -> None:
    store, other = hosts
    store.elsewhere = elsewhere.format(other.port)
    with pytest.raises(UnavailableError, match="port, which is not asked") as refused:
        read(store)
    assert "secret" not in str(refused.value)
    assert other.shown == []


@pytest.mark.parametrize("elsewhere", ["", "http://127.0.0.1:{}", "//127.0.0.1:{}"])
def test_a_store_may_send_to_another_place_of_its_own(
    hosts: tuple[Host, Host], elsewhere: str
) -> None:
    store, _ = hosts
    store.elsewhere, store.once = elsewhere.format(store.port) + "/moved", True
    assert read(store) == b"content"
    assert len(store.shown) == 2 and None not in store.shown


@pytest.mark.parametrize(
    "there, is_followed",
    [
        ("https://store/a", True),
        ("https://store:443/a", True),
        ("https://store:8443/a", False),
        ("https://other/a", False),
        ("http://store:8080/a", False),
        ("/a", True),
        ("//other/a", False),
        ("//[nonsense/a", False),
        ("//store:99999/a", False),
    ],
)
def test_from_plain_http_the_same_host_may_send_to_https(there: str, is_followed: bool) -> None:
    assert stays_there("http://store/line", there) == is_followed


def test_https_is_never_left() -> None:
    assert not stays_there("https://store/line", "http://store/line")
