"""A connection that speaks TLS: its handshake has bounds, and then HTTP goes on inside."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from typing import cast

from takt.core.domain import CloseReason
from takt.core.errors import RequestError
from takt.server.connections.gate import GuardedConnection, client_key
from takt.server.connections.http_connection import HttpConnection
from takt.server.connections.refusals import refusal
from takt.server.connections.stages import HEADERS_IDLE_S, HEADERS_WITHIN_S, LINGER_S
from takt.server.connections.state import ConnectionState
from takt.server.connections.tls_transport import TlsTransport

_RECORD_BYTES = 16 * 1024
"""Most bytes that one record of TLS carries."""

_METHOD_BYTES = 3
_METHOD = re.compile(rb"[A-Z]{3}")
"""How a request of plain HTTP begins; a record of TLS begins with a byte below 32."""

_PLAIN = RequestError("this port speaks HTTPS; ask the same host and port by https:// (wss://)")

logger = logging.getLogger("takt.server")


class TlsConnection(asyncio.Protocol, GuardedConnection):
    """One connection, counted by the gate from its first moment on.

    The event loop's own TLS tells nobody of a connection before its handshake is done: neither
    whose it is nor how to end it. Here, too, Python's `ssl` does the work, on bytes in memory.

    Args:
        context: the certificate and the rules for this connection.
        inside: the connection of HTTP. It is new, as the time for its first request runs from its
            making on, the handshake included.
        state: shared by the connections.
    """

    def __init__(
        self, context: ssl.SSLContext, inside: HttpConnection, state: ConnectionState
    ) -> None:
        self._inside = inside
        self._state = state
        self._gate = state.gate
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._made_s = inside.loop.time()
        self._raw: asyncio.Transport
        self._transport: TlsTransport | None = None  # once the handshake is done
        self._began = b""
        # Since when a client that speaks plainly may read why it gets nothing.
        self._told_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or end it: to say why would cost a handshake."""
        self._raw = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.client_key = client_key(peer[0] if peer else None)
        self._state.handshakes.add(self)
        if self._gate.admit(self, self._inside.loop.time()) is not None:
            self._raw.abort()

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or hand over what the client sent."""
        if self._raw.is_closing() or (self._transport is not None and self._transport.ended):
            return
        if self._told_s is not None:
            return
        if len(self._began) < _METHOD_BYTES:
            self._began += data[:_METHOD_BYTES]
        self._incoming.write(data)
        try:
            transport = self._transport or self._shake_hands()
            parts, is_end = self._read()
        except ssl.SSLWantReadError:
            self._send()
            return
        except ssl.SSLError as error:
            logger.debug("TLS with %s failed: %s", self.client_key, error)
            reason: CloseReason = "handshake" if self._transport is None else "malformed"
            self._gate.closures.note(reason, self.client_key)
            if _METHOD.match(self._began):
                self._tell_plainly()
                return
            self._send()  # an alert tells the client
            self._raw.close()
            return
        transport.flush()
        if parts:
            transport.protocol.data_received(parts)
        if is_end and not transport.protocol.eof_received():
            transport.close()

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._transport is not None and self._transport.protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another one, or tell the connection inside."""
        self._leave_gate()
        if self._transport is not None:
            self._transport.protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        if self._transport is not None:
            self._transport.protocol.pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        if self._transport is not None:
            self._transport.protocol.resume_writing()

    def look(self, now_s: float) -> int:
        """End it if its handshake is late."""
        if self._told_s is not None:
            if now_s >= self._told_s + LINGER_S:
                self.abort()
        elif now_s >= self._made_s + HEADERS_WITHIN_S:
            self.cut("handshake")
        return 0

    def idle_since_s(self, now_s: float) -> float | None:
        """When it began; None if that was just now."""
        return self._made_s if now_s >= self._made_s + HEADERS_IDLE_S else None

    def abort(self) -> None:
        """Close it at once."""
        self._raw.abort()

    def _shake_hands(self) -> TlsTransport:
        """Go on with the handshake.

        Raises:
            ssl.SSLWantReadError: more has to come.
            ssl.SSLError: it failed.
        """
        self._tls.do_handshake()
        self._leave_gate()
        transport = TlsTransport(self._raw, self._tls, self._outgoing, self._inside)
        self._transport = transport
        self._inside.connection_made(cast(asyncio.Transport, transport))
        return transport

    def _tell_plainly(self) -> None:
        """Say by plain HTTP what is wrong; what the client still sends is not looked at."""
        self._told_s = self._inside.loop.time()
        self._raw.write(refusal(_PLAIN))
        # To close it while the client sends would take the answer from it.
        self._raw.write_eof()

    def _read(self) -> tuple[bytes, bool]:
        """What the client sent, and whether nothing more comes."""
        parts = []
        try:
            while part := self._tls.read(_RECORD_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts), False
        return b"".join(parts), True

    def _send(self) -> None:
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())

    def _leave_gate(self) -> None:
        self._state.handshakes.discard(self)
        self._gate.release(self)
