"""uvicorn's protocol of HTTP/1.1, whose answers that are there as a whole take one write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from starlette.responses import Response
from uvicorn._types import ASGI3Application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from takt.api.request_context import WRITE_KEY
from takt.server.connections.refusals import whole_answer
from takt.server.connections.state import ConnectionState

_CLOSE = (b"connection", b"close")

Pair = tuple[bytes, bytes]


class WholeAnswers(HttpToolsProtocol):
    """Asks the app for a refusal ahead of a call, and lets it write an answer past uvicorn.

    uvicorn makes a task for each request, and checks each header of each answer.
    """

    server_state: ConnectionState

    def on_message_complete(self) -> None:
        """Let the app know; where the answer is out already, wait for the next request."""
        super().on_message_complete()
        if self.cycle is not None:
            self.cycle.more_body = False  # uvicorn leaves it where the answer is out already
        answered = self.cycle is not None and self.cycle.response_complete
        if answered and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self._await_next_request()

    def _await_next_request(self) -> None:
        """Close in a while unless another one comes."""
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Answer at once what the app refuses at once; all else gets a task."""
        refusal_of: Callable[[Any], Response | None] | None
        refusal_of = getattr(self.config.app, "refusal", None)
        # A connection that is to leave this process must be told so by its answer.
        calls = self.flow.write_paused or self.server_state.leaving
        if refusal_of is not None and not calls:
            refusal = refusal_of(cycle.scope)
            if refusal is not None:
                self._answer(cycle, refusal.status_code, refusal.raw_headers, refusal.body)
                return
        scope: Any = cycle.scope
        scope[WRITE_KEY] = partial(self._answer, cycle)
        if isinstance(app, ProxyHeadersMiddleware) and not _is_forwarded(scope["headers"]):
            app = app.app
        super()._start_asgi_task(cycle, app)

    def _answer(
        self,
        cycle: RequestResponseCycle,
        status: int,
        headers: Sequence[Pair],
        body: bytes | memoryview,
    ) -> bool:
        """A `WriteAnswer` for a request; past uvicorn, which would check each header."""
        if self.flow.write_paused or b"connection" in dict(headers):
            return False
        if not cycle.disconnected:
            cycle.response_started = cycle.response_complete = True
            end = () if cycle.keep_alive else (_CLOSE,)
            all_headers = [*self.server_state.default_headers, *headers, *end]
            self.transport.write(whole_answer(status, all_headers, body))
            cycle.message_event.set()
            if not cycle.keep_alive:
                self.transport.close()
            self.on_response_complete()
        return True


def _is_forwarded(headers: Sequence[Pair]) -> bool:
    """Whether a proxy says who the client is."""
    found = dict(headers)
    return b"x-forwarded-for" in found or b"x-forwarded-proto" in found
