"""How a client reaches its server: who it is, whom it trusts, and to which trace a call belongs."""

from __future__ import annotations

import logging
import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypedDict

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from takt_client.errors import InvalidParameterError
from takt_client.retry import RetryClock, RetryListener, RetryPolicy

KEY_VARIABLE = "TAKT_KEY"
"""Environment variable of the API key, where none is given."""

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
"""Longest message from a server; more than any heatmap has."""

_PORTS = 1 << 16


class ServerAccess(TypedDict, total=False):
    """What a server is shown, and whom to trust; None is the same as leaving one out.

    Attributes:
        key: API key of the server; else the one in the environment's `TAKT_KEY`, if any.
        cafile: PEM file of the authority that signed the server's certificate, for https where
            the system's authorities do not suffice.
        certfile: PEM file with the client's own certificate and its private key, for a server
            that asks for one.
        tls: instead of the two files, for all else about https.
        headers: sent with every request, say for a proxy that asks for a token.
    """

    key: str | None
    cafile: str | os.PathLike[str] | None
    certfile: str | os.PathLike[str] | None
    tls: ssl.SSLContext | None
    headers: Mapping[str, str] | None


class ClientOptions(ServerAccess, total=False):
    """Options of a client, beside those of `ServerAccess`.

    Attributes:
        retry: bounds on the attempts of a call.
        clock: time and chance.
        listener: hears when a call or a stream is tried again, and when it succeeded.
    """

    retry: RetryPolicy | None
    clock: RetryClock | None
    listener: RetryListener | None


@dataclass(frozen=True, slots=True)
class Server:
    """A server as every connection of a client reaches it.

    Attributes:
        url: http://HOST:PORT, without a slash at its end.
        headers: of every request, the key among them.
        tls: whom https trusts, and what it shows; None for http.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)

    @classmethod
    def of(cls, url: str, access: ServerAccess) -> Self:
        """The server that a client's arguments name.

        >>> Server.of("https://line:8443/", {"key": "secret"})
        Server(url='https://line:8443')

        Raises:
            InvalidParameterError: the URL is none of a server, the key or a file of certificates
                cannot be used, or two options contradict each other.
        """
        if not _is_of_server(url):
            raise InvalidParameterError(f"{url!r} is no URL of a server; give http://HOST:PORT")
        scheme, _, _ = url.partition("://")
        cafile, certfile = access.get("cafile"), access.get("certfile")
        tls = access.get("tls")
        if (cafile or certfile) and tls:
            raise InvalidParameterError("give tls, or cafile and certfile, and not both")
        if (cafile or certfile) and scheme.lower() != "https":
            raise InvalidParameterError(f"cafile and certfile are of https, and this is {url}")
        headers = dict(access.get("headers") or {})
        headers |= authorization(access.get("key"), headers)
        if tls is None and scheme.lower() == "https":
            tls = _tls_context(cafile, certfile)
        return cls(url.rstrip("/"), headers, tls)

    def stream_url(self, path: str) -> str:
        """URL of a WebSocket."""
        scheme, _, rest = self.url.partition("://")
        return f"{'wss' if scheme.lower() == 'https' else 'ws'}://{rest}{path}"

    async def open_websocket(
        self, path: str, headers: Mapping[str, str], within_s: float, *, proxied: bool = True
    ) -> ClientConnection:
        """A connection whose handshake is done, by the environment's proxy if `proxied`."""
        url = self.stream_url(path)
        return await _DirectConnect(
            url,
            additional_headers={**self.headers, **headers},
            compression=None,
            logger=_quiet_logger(),
            open_timeout=within_s,
            max_size=MAX_MESSAGE_BYTES,
            proxy=True if proxied else None,
            ssl=self.tls,
            create_connection=_ToldConnection,
        )


def _is_of_server(url: str) -> bool:
    """Whether a URL has a host, and a port that is one if it names any.

    >>> _is_of_server("http://line:8000"), _is_of_server("http://line:PORT")
    (True, False)
    """
    try:
        read = httpx.URL(url)
        read.host.encode("idna")
    except (httpx.InvalidURL, TypeError, UnicodeError):
        return False
    whole = not read.query and not read.fragment and (read.port or 0) < _PORTS
    return read.scheme in ("http", "https") and bool(read.host) and whole


class _ToldConnection(ClientConnection):
    """WebSockets' connection, whose handshake tells what TLS says of it.

    A server that misses a certificate says so after the handshake of TLS, and is then found gone.
    """

    _said: ssl.SSLError | None = None

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        """Do the handshake.

        Raises:
            ssl.SSLError: the server refuses the certificate, or misses one.
        """
        try:
            await super().handshake(*args, **kwargs)
        except WebSocketException as error:
            if self._said is not None:
                raise self._said from error
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep what TLS says, which the library passes over."""
        self._said = exc if isinstance(exc, ssl.SSLError) else None
        super().connection_lost(exc)


class _DirectConnect(connect):
    """WebSockets' `connect`, which follows no redirect: a key is for the server that is named."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Leave the redirect as the error that it is."""
        return exc


def _quiet_logger() -> logging.Logger:
    """WebSockets' logger without its lines for debugging, which show the key."""
    usual = logging.getLogger("websockets.client")
    logger = logging.Logger(usual.name, max(logging.INFO, usual.getEffectiveLevel()))
    logger.parent = usual
    return logger


def authorization(key: str | None, headers: Mapping[str, str]) -> dict[str, str]:
    """The header that shows a key, the environment's if none is given; empty without one.

    Args:
        key: API key; white space around it is not part of it.
        headers: given beside it; an `Authorization` among them goes before the environment.

    Raises:
        InvalidParameterError: it is no key, or `headers` has another one. It is not shown.
    """
    other = any(name.lower() == "authorization" for name in headers)
    if key is None and not other:
        key = os.environ.get(KEY_VARIABLE) or None
    if key is None:
        return {}
    if other:
        raise InvalidParameterError("give the key, or headers with Authorization, and not both")
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidParameterError(
            "the API key is empty, or has characters that no key has; "
            "check where it is read from (it is not shown here)"
        )
    return {"Authorization": f"Bearer {key}"}


def _tls_context(
    cafile: str | os.PathLike[str] | None, certfile: str | os.PathLike[str] | None
) -> ssl.SSLContext:
    """What https trusts and shows, of calls and streams alike.

    Args:
        cafile: PEM file of the authorities to trust, instead of the system's.
        certfile: PEM file with the client's certificate and its private key.

    Raises:
        InvalidParameterError: a file is missing or holds something else.
    """
    reading, what = cafile, "certificates"
    try:
        context = ssl.create_default_context(cafile=cafile)
        if certfile is not None:
            reading, what = certfile, "a certificate and its private key"
            # Without a password OpenSSL would ask for one at the terminal.
            context.load_cert_chain(certfile, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidParameterError(
            f"{os.fspath(reading or '')} has not {what} in PEM that can be read: {reason}"
        ) from error
    return context


def trace_headers() -> dict[str, str]:
    """`traceparent` and `tracestate` of the current span; empty where there is none.

    OpenTelemetry is never imported here: a program that has a span has loaded it already.
    """
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if not get_current_span().get_span_context().is_valid:
        return {}
    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers
