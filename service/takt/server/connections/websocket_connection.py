"""uvicorn's connection of a WebSocket, with bounds on chatter, on time and on unread answers."""

from __future__ import annotations

import asyncio
import logging
from asyncio.transports import BaseTransport
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from takt.core.domain import CloseReason
from takt.observing.logging_setup import WEBSOCKETS
from takt.server.connections.answer_reading import AnswerReading
from takt.server.connections.frame_scanner import FrameScanner
from takt.server.connections.gate import GuardedConnection, client_key
from takt.server.connections.lingering import LingeringTransport
from takt.server.connections.stages import LINGER_S
from takt.server.connections.state import ConnectionState

MOST_CHATTER = 100
"""Most frames of chatter within a second."""
MAX_HELLO_BYTES = 64 * 1024
"""Bytes of the first message, which is a hello, after which it need not be whole."""
MESSAGE_WITHIN_S = 30.0
"""Time for any message to come whole; a longer one needs the rate below."""
MIN_BYTES_PER_S = 16 * 1024
"""Slowest rate of a message that takes longer."""
HANDSHAKE_WITHIN_S = 10.0
"""Longest time from the upgrade to a whole handshake."""

_INVALID_DATA, _POLICY_VIOLATION, _TRY_AGAIN_LATER = 1007, 1008, 1013


class WebSocketConnection(WebSocketsSansIOProtocol, GuardedConnection):
    """One WebSocket."""

    def __init__(
        self, config: Config, server_state: ConnectionState, app_state: dict[str, Any]
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.conn.logger = logging.getLogger(WEBSOCKETS)
        self._gate = server_state.gate
        self._reading = AnswerReading()
        self._scanner = FrameScanner()
        self._open_messages = server_state.open_messages
        self._holds_message = False
        self._upgraded = False
        self._leaving_since_s: float | None = None
        self._made_s = self._message_since_s = self._second_since_s = self.loop.time()
        self._chatter = 0
        self._seen_messages = 0

    def connection_made(self, transport: BaseTransport) -> None:
        """Take the place of the connection that was upgraded."""
        lingering = LingeringTransport(cast(asyncio.Transport, transport), self._close)
        super().connection_made(cast(BaseTransport, lingering))
        self.client_key = client_key(self.client[0] if self.client else None)
        self._gate.adopt(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another one."""
        self._gate.release(self)
        self._open_messages.release(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what would cost too much is not parsed."""
        if self._leaving_since_s is not None:
            return
        if not self._upgraded:
            # The handshake, as the connection before hands it over.
            self._upgraded = True
            super().data_received(data)
            return
        scanner = self._scanner
        chatter = scanner.feed(data)
        if chatter and self._is_too_much(chatter):
            self._leave("chatter", f"more than {MOST_CHATTER} pings or short messages in a second")
        elif not scanner.messages and scanner.message_bytes > MAX_HELLO_BYTES:
            self._leave("chatter", f"the first message exceeds {MAX_HELLO_BYTES} bytes; say hello")
        elif not (scanner.in_message or self._holds_message) or self._hold_message():
            super().data_received(data)

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the app has to say."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            # The app has refused the handshake, which is no failure of it.
            self.handshake_complete = True

    def message_pace(self, now_s: float) -> tuple[float, float]:
        """Seconds since its message began, as the sweep has seen it, and its bytes a second."""
        taken_s = now_s - self._message_since_s
        return taken_s, self._scanner.message_bytes / max(taken_s, 1.0)

    def give_up_message(self) -> None:
        """End the connection, as its message takes memory that others need."""
        why = "messages that are not whole take all memory that they may; send again later"
        self._leave("no_memory", why, _TRY_AGAIN_LATER)

    def send_receive_event_to_app(self) -> None:
        """Hand a message over, unless it is a text that nobody can read."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self._leave("malformed", "the text is no UTF-8; mend it", _INVALID_DATA)
                return
        super().send_receive_event_to_app()

    def look(self, now_s: float) -> int:
        """End it if it is late; gives the bytes that its client has not read."""
        unread = self._reading.unread_bytes(self.transport, now_s)
        if self._reading.is_late(now_s):
            self.cut("unread_answer")
            return 0
        if self._leaving_since_s is not None:
            if not unread and now_s >= self._leaving_since_s + LINGER_S:
                self.transport.abort()
        elif not self.handshake_initiated:
            if now_s >= self._made_s + HANDSHAKE_WITHIN_S:
                self.cut("slow_request")
        elif self._message_is_late(now_s):
            self._leave("slow_request", "the message came too slowly; send at once")
        return unread

    def idle_since_s(self, now_s: float) -> float | None:
        """None: a stream that waits for the next part makes no room for others."""
        return None

    def abort(self) -> None:
        """Close it at once."""
        self.transport.abort()

    def _hold_message(self) -> bool:
        """Count the message that is not whole; False if it was given up."""
        scanner = self._scanner
        self._holds_message = scanner.in_message
        if not scanner.in_message:
            self._open_messages.release(self)
        elif not self._open_messages.hold(self, scanner.message_bytes, self.loop.time()):
            self.give_up_message()
            return False
        return True

    def _is_too_much(self, chatter: int) -> bool:
        now_s = self.loop.time()
        if now_s >= self._second_since_s + 1.0:
            self._second_since_s, self._chatter = now_s, 0
        self._chatter += chatter
        return self._chatter > MOST_CHATTER

    def _message_is_late(self, now_s: float) -> bool:
        scanner = self._scanner
        # While the app makes the client wait, the client cannot go on.
        if not scanner.in_message or self.read_paused or scanner.messages != self._seen_messages:
            self._seen_messages, self._message_since_s = scanner.messages, now_s
            return False
        taken_s = now_s - self._message_since_s
        return taken_s >= MESSAGE_WITHIN_S and scanner.message_bytes < taken_s * MIN_BYTES_PER_S

    def _leave(self, reason: CloseReason, why: str, code: int = _POLICY_VIOLATION) -> None:
        """Tell the client why and close, once it may have read that."""
        self._gate.closures.note(reason, self.client_key)
        self._leaving_since_s = self.loop.time()
        self._open_messages.release(self)
        self.stop_keepalive()
        self.conn.fail(code, why)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": why})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.resume_reading()
        # The app's answers go nowhere from now on, and it must not wait to send them.
        self.close_sent = self.disconnected = True
        self.writable.set()
        if not self.transport.is_closing():
            self.transport.write_eof()

    def _close(self) -> None:
        """Close, but let a client that was told why read it first."""
        if self._leaving_since_s is None:
            cast(LingeringTransport, self.transport).inner.close()
