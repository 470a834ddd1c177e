"""HTTP/1.1 with little work, as the generator shares its cores with the server.

A request through aiohttp costs four times as much CPU as one through this module, which leaves
parsing to llhttp, as uvicorn does.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from takt_client.errors import InvalidParameterError, UnreachableError
from takt_client.failures import unreachable

_FIRST_FINAL_STATUS = 200


@dataclass(frozen=True, slots=True)
class Address:
    """Address of a server.

    Attributes:
        host: name or IP address.
        port: TCP port.
        tls: whether it speaks https.
        path: prefix of every route, without a slash at its end.
    """

    host: str
    port: int
    tls: bool
    path: str

    @property
    def authority(self) -> str:
        """Value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response, read to its end.

    Attributes:
        status: HTTP status.
        body: the whole body.
        ended_s: time at which its last byte arrived.
    """

    status: int
    body: bytes
    ended_s: float


def parse_address(url: str) -> Address:
    """Address from http://HOST[:PORT][/PATH].

    >>> parse_address("http://line:8000/takt/").path
    '/takt'

    Raises:
        InvalidParameterError: the URL is no URL of a server.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidParameterError(f"{url!r} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise InvalidParameterError(f"{url!r} is no URL of a server; give http://HOST:PORT")
    tls = parts.scheme == "https"
    return Address(parts.hostname, port or (443 if tls else 80), tls, parts.path.rstrip("/"))


def request_head(
    address: Address,
    method: str,
    path: str,
    content_bytes: int,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Request line and headers of a request, with further `headers` if there are any."""
    further = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return (
        f"{method} {address.path}{path} HTTP/1.1\r\n"
        f"Host: {address.authority}\r\n"
        "Accept: application/json\r\n"
        "User-Agent: takt-bench\r\n"
        f"{further}"
        f"Content-Length: {content_bytes}\r\n\r\n"
    ).encode()


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, url: str, now_s: Callable[[], float]) -> None:
        self._url = url
        self._now_s = now_s
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._response: asyncio.Future[HttpResponse] | None = None
        self._transport: asyncio.Transport | None = None
        self.usable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"what came is no HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection was lost: {exc or 'closed by the server'}")

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            return
        parts, self._parts = self._parts, []
        if not self._parser.should_keep_alive():
            self.close()
        if self._response is not None and not self._response.done():
            self._response.set_result(HttpResponse(status, b"".join(parts), self._now_s()))

    async def exchange(self, head: bytes, body: bytes) -> HttpResponse:
        """Sends a request and reads its response; a caller that gives up must close."""
        assert self._transport is not None
        self._response = asyncio.get_running_loop().create_future()
        # asyncio of Python 3.12 and later never gets rid of a piece that is empty.
        self._transport.writelines((head, body) if body else (head,))
        return await self._response

    def close(self) -> None:
        """Closes at once; idempotent."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, reason: str) -> None:
        self.close()
        if self._response is not None and not self._response.done():
            lost = UnreachableError(f"no answer from {self._url}: {reason}", reason)
            self._response.set_exception(lost)


class HttpPool:
    """Connections to one server, as many as there are requests at the same time.

    Args:
        address: address of the server.
        max_connections: most connections; further requests wait for a free one.
        now_s: clock in seconds, for the ends of the responses.
        tls: whom https trusts, and what it shows; None for http.

    Attributes:
        address: address of the server.
    """

    def __init__(
        self,
        address: Address,
        max_connections: int,
        now_s: Callable[[], float],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self._now_s = now_s
        self._free = asyncio.Semaphore(max_connections)
        self._idle: list[_Connection] = []
        self._tls = tls
        self._url = f"{'https' if tls else 'http'}://{address.authority}"

    async def ask(self, head: bytes, body: bytes) -> HttpResponse:
        """Sends a request.

        Raises:
            UnreachableError: there is no connection, it broke, or the response is no HTTP.
        """
        async with self._free:
            connection = await self._take()
            try:
                response = await connection.exchange(head, body)
            except BaseException:
                # What may still come over it would be taken for the next request's response.
                connection.close()
                raise
            if connection.usable:
                self._idle.append(connection)
            return response

    def close(self) -> None:
        """Closes the idle connections; the others close with their requests."""
        while self._idle:
            self._idle.pop().close()

    async def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self._url, self._now_s),
                self.address.host,
                self.address.port,
                ssl=self._tls,
            )
        except OSError as error:
            raise unreachable(self._url, error).error from error
        return connection
