"""JSON documents of an issuer, fetched with bounds on time, size and where they come from."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from takt.core.errors import ConfigurationError
from takt.security.exposure import is_loopback

FETCH_WITHIN_S = 5.0
"""Longest time for one document, however slowly it drips."""

_MOST_BYTES = 256 * 1024
_PART_BYTES = 16 * 1024


_MOST_OF_URL, _MOST_OF_ERROR = 100, 300
"""Characters, as the texts are of others."""


class FetchError(Exception):
    """A document cannot be had; the text says why, in one line."""

    def __init__(self, why: str) -> None:
        super().__init__(one_line(why, _MOST_OF_ERROR))


def one_line(text: str, most: int) -> str:
    """A text of others as a log may have it: its beginning, of characters that can be seen."""
    return "".join(one if one.isprintable() else "?" for one in text[:most])


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A document is where it was said to be, or nowhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none."""


class _Plain(http.client.HTTPConnection):
    """A connection with a second hold on its socket, by which it can be ended from outside."""

    sockets: list[socket.socket]

    def connect(self) -> None:
        """Connect; over TLS this is called first."""
        super().connect()
        self.sockets.append(self.sock.dup())


class _Secure(http.client.HTTPSConnection, _Plain):
    """The same over TLS."""


class _Connecting(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections that all end by a time: timeouts of sockets begin anew with each byte."""

    def __init__(self) -> None:
        super().__init__()
        self._sockets: list[socket.socket] = []

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Ask in plain text."""
        return self.do_open(partial(self._connection, _Plain), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Ask over TLS."""
        return self.do_open(partial(self._connection, _Secure), request)

    def _connection(self, kind: type[_Plain], host: str, **options: Any) -> _Plain:
        made = kind(host, **options)
        made.sockets = self._sockets
        return made

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """End what is open once the block has taken so long."""
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            for one in self._sockets:
                one.close()

    def _end(self) -> None:
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def check_url(url: str, what: str) -> None:
    """Refuse an address whose answers anybody on the way could change.

    >>> check_url("https://login.plant.example/realms/line", "oidc_issuer")
    >>> check_url("http://login.plant.example", "oidc_issuer")
    Traceback (most recent call last):
    takt.core.errors.ConfigurationError: oidc_issuer is http://login.plant.example; it must be https://

    Raises:
        ConfigurationError: it is neither https nor of this machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ConfigurationError(f"{what} is {url!r}, which is no URL") from None
    if parts.scheme == "https" and host:
        return
    if parts.scheme != "http" or not is_loopback(host):
        raise ConfigurationError(f"{what} is {url}; it must be https://")


def fetch_json(url: str) -> dict[str, Any]:
    """Fetch an object; it takes a thread, for `FETCH_WITHIN_S` at most.

    Raises:
        FetchError: it cannot be had, or is none.
    """
    ends_s = time.monotonic() + FETCH_WITHIN_S
    place = one_line(url, _MOST_OF_URL)
    connecting, body = _Connecting(), b""
    opener = urllib.request.build_opener(connecting, _NoRedirects)
    try:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        with (
            connecting.within(FETCH_WITHIN_S),
            opener.open(request, timeout=FETCH_WITHIN_S) as answer,
        ):
            while len(body) <= _MOST_BYTES and (part := answer.read1(_PART_BYTES)):
                body += part
    except urllib.error.HTTPError as error:
        error.close()
        raise FetchError(f"{place} answers {error.code}") from None
    # The last two are of addresses that cannot be written or reached.
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        if time.monotonic() < ends_s:
            raise FetchError(f"{place} cannot be had: {error}") from None
    if len(body) > _MOST_BYTES:
        raise FetchError(f"{place} has more than {_MOST_BYTES} bytes")
    if time.monotonic() >= ends_s:
        raise FetchError(f"{place} did not come within {FETCH_WITHIN_S:.0f} s")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise FetchError(f"{place} is no JSON") from None
    if not isinstance(found, dict):
        raise FetchError(f"{place} is no JSON object")
    return found
