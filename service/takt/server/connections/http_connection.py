"""uvicorn's connection of HTTP/1.1, with deadlines and bounds for what comes before the app."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from takt.api.request_context import id_and_length
from takt.core.domain import CloseReason
from takt.core.errors import (
    HeadersTooLargeError,
    SlowRequestError,
    TaktError,
    TooManyConnectionsError,
)
from takt.server.connections import stages
from takt.server.connections.answer_reading import AnswerReading
from takt.server.connections.gate import GuardedConnection, client_key
from takt.server.connections.lingering import LingeringTransport
from takt.server.connections.refusals import refusal
from takt.server.connections.stages import ConnectionStage
from takt.server.connections.state import (
    AskedBy,
    ConnectionState,
    OwnedElsewhereError,
    Owner,
    Port,
)
from takt.server.connections.whole_answers import WholeAnswers

_HEAD_ENDS = b"\r\n\r\n"


class HttpConnection(WholeAnswers, GuardedConnection):
    """One connection; a sweep once a second sees what is late, so that requests set no timers.

    Attributes:
        asked_by: client and scheme of what another process passes on; None for a client's own.
        port: by which it came; `relayed` for what another process passes on.
        answered: whether a request of it was answered, here or by the process that had it before.
    """

    def __init__(
        self,
        config: Config,
        server_state: ConnectionState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.asked_by: AskedBy | None = None
        self.port: Port = "main"
        self.answered = False
        self._gate = server_state.gate
        self._reading = AnswerReading()
        self._leaving = False
        self._turned_away: TooManyConnectionsError | None = None
        self._tail = b""
        # Since the last headers or the last part of a body.
        self._overhead_bytes = 0
        self._seen: tuple[ConnectionStage, object] = (ConnectionStage.HEADERS, None)
        self._seen_since_s = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, or answer it with 503."""
        lingering = LingeringTransport(transport, self._close)
        super().connection_made(cast(asyncio.Transport, lingering))
        if self.asked_by is not None:
            self.client, self.scheme = self.asked_by
        self.client_key = client_key(self.client[0] if self.client else None)
        if self.answered:
            self._gate.adopt(self)
            self._await_next_request()
            return
        self._turned_away = self._gate.admit(self, self.loop.time())
        self._leaving = self._turned_away is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another one."""
        self._gate.release(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._leaving:
            # A client that is refused is told when it asks: an answer before that confuses many.
            if self._turned_away is not None:
                self._refuse(self._turned_away)
                self._turned_away = None
            return
        self._unset_keepalive_if_required()
        self._overhead_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
                return
            self._unsupported_upgrade_warning()
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, OwnedElsewhereError):
                self._relay(error.__context__.owner, data)
                return
            not_url = isinstance(error, httptools.HttpParserInvalidURLError)
            self._refuse_malformed(stages.not_url() if not_url else error.__context__)
            return
        if self.server_state.relays is not None:
            self._tail = data[-len(_HEAD_ENDS) + 1 :]
        if self._overhead_bytes > stages.MAX_HEADER_BYTES:
            self._refuse_malformed(stages.headers_too_large())

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol."""
        self._gate.release(self)
        self.connections.discard(self)
        successor = self.config.ws_protocol_class(  # type: ignore[call-arg, misc]
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        transport = cast(LingeringTransport, self.transport).inner
        successor.connection_made(transport)
        # What goes wrong from now on is the successor's, which is told of the connection's end.
        transport.set_protocol(successor)
        successor.data_received(self._head())

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        if self._overhead_bytes > stages.MAX_HEADER_BYTES:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > stages.MAX_HEADER_BYTES:
                raise stages.headers_too_large()
        self._overhead_bytes = 0
        if len(self.pipeline) >= stages.MOST_PIPELINED:
            raise stages.PipelinedError
        # What was passed on already is answered here.
        relays = self.server_state.relays if self.port == "main" else None
        if relays is not None and (owner := relays.owner(self.url)) is not None:
            raise OwnedElsewhereError(owner)
        super().on_headers_complete()
        if self.cycle and (self.asked_by or (self.server_state.leaving and self.stays)):
            # A pipe lasts for one request; and no other process goes on where this one leaves.
            self.cycle.keep_alive = False

    @property
    def stays(self) -> bool:
        """Whether no other process can go on with it: for TLS's keys, and for what is passed on."""
        return self.scheme == "https" or self.asked_by is not None

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body for the app."""
        self._overhead_bytes = 0
        super().on_body(body)

    def look(self, now_s: float) -> int:
        """End it if it is late; gives the bytes that its client has not read."""
        unread = self._reading.unread_bytes(self.transport, now_s)
        if self._reading.is_late(now_s):
            self.cut("unread_answer")
            return 0
        stage = self._stage_at(now_s)
        within_s = stages.WITHIN_S.get(stage)
        if within_s is not None and now_s >= self._seen_since_s + within_s:
            if stage is ConnectionStage.HEADERS and self._seen[1] is not None:
                self._gate.closures.note("slow_request", self.client_key)
                self._refuse(
                    SlowRequestError(
                        f"the request's headers did not come whole within {within_s:.0f} s; send "
                        "them at once"
                    )
                )
            elif stage is ConnectionStage.LEAVING:
                if not unread:
                    self.transport.abort()
            else:
                self.cut("slow_request")
        return unread

    def idle_since_s(self, now_s: float) -> float | None:
        """When it began to wait for a request; None if that was just now, and while it works."""
        stage = self._stage_at(now_s)
        idle_s = now_s - self._seen_since_s
        if (stage is ConnectionStage.HEADERS and idle_s >= stages.HEADERS_IDLE_S) or (
            stage is ConnectionStage.IDLE and idle_s >= stages.IDLE_S
        ):
            return self._seen_since_s
        return None

    def shutdown(self) -> None:
        """Close once nothing is under way; what is passed on brings its request along."""
        if self.asked_by is None or self.cycle is not None:
            super().shutdown()

    def abort(self) -> None:
        """Close it at once."""
        self.transport.abort()

    def _relay(self, owner: Owner, data: bytes) -> None:
        """Have another process answer the request whose head has just ended, and all after it.

        Args:
            owner: of the request.
            data: what came last.
        """
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is not None and not cycle.response_complete:
            self._refuse_malformed(stages.PipelinedError())
            return
        assert self.server_state.relays is not None
        rest = (self._tail + data).partition(_HEAD_ENDS)[2]
        self._gate.release(self)
        self.connections.discard(self)
        client = cast(LingeringTransport, self.transport).inner
        asked_by = self.client, self.scheme or "http"
        self.server_state.relays.begin(client, asked_by, owner, self._head() + rest)

    def _head(self) -> bytes:
        """The head of the request that came last, for who answers it in place of this one."""
        lines = [self.parser.get_method(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            lines += [name, b": ", value, b"\r\n"]
        return b"".join([*lines, b"\r\n"])

    def release(self, hand_over: Callable[[socket.socket], bool]) -> bool:
        """Have another process go on with it; False while it works, for TLS, and where none can.

        What the client sends meanwhile waits in the socket.

        Args:
            hand_over: takes its socket, which is closed here afterwards; says whether it did.
        """
        transport = cast(LingeringTransport, self.transport).inner
        stage, subject = self._stage()
        waits = stage is ConnectionStage.IDLE or (stage, subject) == (ConnectionStage.HEADERS, None)
        cycle = cast(RequestResponseCycle | None, self.cycle)
        unread = transport.get_write_buffer_size() or (cycle is not None and cycle.more_body)
        if self.stays or not waits or unread or transport.is_closing():
            return False
        inside = transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(inside.fileno())) as released:
            if not hand_over(released):
                return False
        # This process's descriptor alone: the connection lives on by the other one.
        transport.abort()
        return True

    def on_response_complete(self) -> None:
        """Go on with the next request, here or in another process."""
        self.answered = True
        super().on_response_complete()
        if self.server_state.give_back is not None and not self.pipeline:
            # What is written leaves first; nothing is read meanwhile.
            self.flow.pause_reading()
            self.loop.call_soon(self._give_back)

    def _give_back(self) -> None:
        if self.transport.is_closing():
            return
        give_back = self.server_state.give_back
        if give_back is None or not give_back(self):
            self.flow.resume_reading()

    def _stage_at(self, now_s: float) -> ConnectionStage:
        """The stage, whose beginning is noted when it is seen first."""
        stage, subject = self._stage()
        seen_stage, seen_subject = self._seen
        if stage is not seen_stage or subject is not seen_subject:
            first = (
                stage is ConnectionStage.HEADERS and seen_stage is stage and seen_subject is None
            )
            # A first request's time runs from the connection on.
            if not first:
                self._seen_since_s = now_s
            self._seen = (stage, subject)
        return stage

    def _stage(self) -> tuple[ConnectionStage, object]:
        if self._leaving:
            return ConnectionStage.LEAVING, None
        cycle = cast(RequestResponseCycle | None, self.cycle)
        scope = self.scope
        waits = self.timeout_keep_alive_task is not None
        if cycle is None:
            return (ConnectionStage.IDLE if waits else ConnectionStage.HEADERS), scope
        if not cycle.response_complete:
            return ConnectionStage.WORKING, None
        if cycle.scope is not scope:
            return ConnectionStage.HEADERS, scope
        # What came after the answer without beginning a request is the rest of a body.
        return (ConnectionStage.IDLE if waits else ConnectionStage.REST), cycle

    def _refuse_malformed(self, error: BaseException | None) -> None:
        reason: CloseReason = "malformed"
        if isinstance(error, HeadersTooLargeError):
            reason = "headers_too_large"
        elif isinstance(error, stages.PipelinedError):
            reason = "pipelined"
        if self.cycle is not None and not self.cycle.response_complete:
            # An answer is under way, and another one would be taken for it.
            self.cut(reason)
            return
        self._gate.closures.note(reason, self.client_key)
        if isinstance(error, TaktError):
            self._refuse(error)
            return
        self.send_400_response("Invalid HTTP request received.")

    def _refuse(self, error: TaktError) -> None:
        """Answer without the app, and close once the client may have read it."""
        request_id, _ = id_and_length(self.headers or [])
        path = getattr(self, "url", b"").decode("latin-1")
        answer = refusal(error, request_id, path, self.server_state.default_headers)
        self.transport.write(answer)
        self._leave()

    def _close(self) -> None:
        """Close, but let a client that is still sending read its answer first."""
        transport = cast(LingeringTransport, self.transport).inner
        unread = self.cycle is not None and self.cycle.more_body
        if self._leaving or not unread or transport.is_closing():
            transport.close()
        else:
            self._leave()

    def _leave(self) -> None:
        self._leaving = True
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.transport.write_eof()
