"""The layer around every request, in plain ASGI."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable, Iterable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from service.api.pages import PageHeaders
from service.api.problems import CALLER_KEY, REQUEST_ID_KEY, problem_response
from service.errors import ImageTooLargeError, RequestError
from service.observing.metrics import Metrics
from service.security.caller import CallerPendingError
from service.security.gate import Gate
from service.security.guard import Guard
from service.security.headers import ANSWER_HEADERS, SHARED_HEADERS

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
"""Ids of callers that are fit to be logged."""

DECLARED_BYTES_KEY = "takt.declared_bytes"
"""Key of the ASGI scope: the body's length by its header, 0 where that says none."""

_SHARED_KEY = "takt.shared"
"""Key of the ASGI scope: whether another host's page may have the answer."""

Pair = tuple[bytes, bytes]
Check = Callable[[Scope], None]
"""Raises a TaktError where a request is to be refused before anything is begun for it."""


def _nothing(scope: Scope) -> None:
    """Refuses nothing."""


class RequestIds:
    """Makes ids for requests that bring none."""

    def __init__(self) -> None:
        # Random bits for each request would cost a system call, which gives the interpreter away.
        self._process, self._count = uuid.uuid4().hex[:20], itertools.count(1)

    def new(self) -> bytes:
        """The next one: 32 hexadecimal digits."""
        return f"{self._process}{next(self._count):012x}".encode()


class RequestContext:
    """Refuses foreign pages and unknown callers; gives requests an id, bounds and counts them.

    It also answers uncaught exceptions, and adds the headers that every answer has.

    Args:
        app: the application inside.
        metrics: has the gauge of requests in flight.
        max_body_bytes: largest body; reading a larger one raises ImageTooLargeError, at once where
            its length is declared, and its connection is closed.
        gate: refuses requests for foreign names and of foreign pages; WebSockets as well.
        guard: refuses callers who are not known, or may not ask this; WebSockets as well.
        page_headers: headers of the pages for people, by the beginning of their paths.
        check: see `refusal`.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        max_body_bytes: int,
        gate: Gate,
        guard: Guard,
        page_headers: PageHeaders,
        check: Check = _nothing,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._gate = gate
        self._guard = guard
        self._check = check
        self._page_headers, self._page_paths = page_headers, tuple(page_headers)
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                try:
                    self._gate.check(scope)
                    scope[CALLER_KEY] = await self._guard.admit(scope)
                except RequestError as error:
                    await self._deny(error, WebSocket(scope, receive, send))
                    return
            await self._app(scope, receive, send)
            return
        if CALLER_KEY not in scope:
            self._identify(scope)
        left = self._max_body_bytes
        too_long = scope[DECLARED_BYTES_KEY] > left
        started = False

        async def receive_bounded() -> Message:
            nonlocal left, too_long
            if not too_long:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                left -= len(message.get("body", b""))
                if left >= 0:
                    return message
                too_long = True
            raise ImageTooLargeError(
                f"the body exceeds {self._max_body_bytes} bytes; send a smaller picture, "
                "or raise max_image_bytes"
            )

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = self._completed(message["headers"], scope)
                if too_long:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self._metrics.in_flight += 1
        try:
            if CALLER_KEY not in scope:
                scope[_SHARED_KEY] = self._gate.check(scope)
                scope[CALLER_KEY] = await self._guard.admit(scope)
            await self._app(scope, receive_bounded, send_with_id)
        except Exception as error:
            if started:
                raise
            response = problem_response(error, scope[REQUEST_ID_KEY], scope["path"])
            await response(scope, receive, send_with_id)
        finally:
            self._metrics.in_flight -= 1

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to a POST that is refused before its body, as a call would give it.

        A server that asks for it first saves most of what a refusal costs. What is found out here
        stands in the scope, so that the call does not find it out again.

        Returns:
            None where nothing speaks against the request by now, or a call has to find out.
        """
        if scope["method"] != "POST" or _is_forwarded(scope["headers"]):
            return None
        self._identify(scope)
        if scope[DECLARED_BYTES_KEY] > self._max_body_bytes:
            return None
        try:
            scope[_SHARED_KEY] = self._gate.check(scope)
            scope[CALLER_KEY] = self._guard.check(scope)
            self._check(scope)
        except CallerPendingError:
            return None
        except Exception as error:
            response = problem_response(error, scope[REQUEST_ID_KEY], scope["path"])
            response.raw_headers = self._completed(response.raw_headers, scope)
            return response
        return None

    def _identify(self, scope: Scope) -> None:
        """Note the request's id and its body's length."""
        given, scope[DECLARED_BYTES_KEY] = id_and_length(scope["headers"])
        scope[REQUEST_ID_KEY] = (given or self._ids.new()).decode()

    def _completed(self, given: Iterable[Pair], scope: Scope) -> list[Pair]:
        """An answer's headers with those that every answer has."""
        ours = SHARED_HEADERS if scope.get(_SHARED_KEY) else ANSWER_HEADERS
        path = scope["path"]
        if path.startswith(self._page_paths):
            ours = next(
                headers for start, headers in self._page_headers.items() if path.startswith(start)
            )
        if b"cache-control" in dict(given):
            ours = tuple(pair for pair in ours if pair[0] != b"cache-control")
        return [*given, (b"x-request-id", scope[REQUEST_ID_KEY].encode()), *ours]

    async def _deny(self, error: RequestError, websocket: WebSocket) -> None:
        """Refuse the handshake, with a body where the server can send one."""
        if "websocket.http.response" not in websocket.scope.get("extensions", {}):
            await websocket.close()
            return
        request_id = self._ids.new()
        response = problem_response(error, request_id.decode())
        response.raw_headers += [(b"x-request-id", request_id), *ANSWER_HEADERS]
        await websocket.send_denial_response(response)


def _is_forwarded(headers: Iterable[Pair]) -> bool:
    """Whether the server has to find out first who the client is."""
    return b"x-forwarded-for" in dict(headers)


def id_and_length(headers: Iterable[Pair]) -> tuple[bytes | None, int]:
    """The caller's own id, if it sent one that is fit to be logged, and its body's length.

    >>> id_and_length([(b"x-request-id", b"part-7"), (b"content-length", b"512")])
    (b'part-7', 512)
    """
    given, length = None, 0
    for name, value in headers:
        if name == b"x-request-id":
            if given is None and REQUEST_ID.fullmatch(value):
                given = value
        elif name == b"content-length" and value.isdigit():
            length = int(value)
    return given, length
