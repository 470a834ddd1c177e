"""A trace span around each request that inspects; part of the app only with tracing on."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from takt.api.problems import request_id_of
from takt.api.request_context import WRITE_KEY
from takt.observing.tracing.base import Tracing, use_trace


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """Begins a request's span, names it in the response, and ends it when the response is sent.

    It surrounds `RequestContext`, so that the span covers the answers to errors.

    Attributes:
        app: the application inside.
        tracing: records the spans.
    """

    app: ASGIApp
    tracing: Tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        trace = self.tracing.request(scope) if scope["type"] == "http" else None
        if trace is None:
            await self.app(scope, receive, send)
            return
        header = trace.header
        status: int | None = None

        async def send_with_span(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        # A whole answer would go out without the span's header.
        scope.pop(WRITE_KEY, None)
        try:
            with use_trace(trace):
                await self.app(scope, receive, send_with_span)
        finally:
            trace.end(request_id_of(scope), status)
