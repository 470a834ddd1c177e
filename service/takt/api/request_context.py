"""The layer around every request, in plain ASGI."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import itertools
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from takt.api.encodings import check_encodings
from takt.api.pages import PageHeaders
from takt.api.problems import CALLER_KEY, REQUEST_ID_KEY, problem_response
from takt.core.errors import ImageTooLargeError, NotReadyError, RequestError
from takt.observing.instruments.metrics import Metrics
from takt.security.caller import CallerPendingError
from takt.security.gate import Gate
from takt.security.guard import Guard
from takt.security.headers import ANSWER_HEADERS, SHARED_HEADERS

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
"""Ids of callers that are fit to be logged."""

DECLARED_BYTES_KEY = "takt.declared_bytes"
"""Key of the ASGI scope: the body's length by its header, 0 where that says none."""

WRITE_KEY = "takt.write"
"""Key of the ASGI scope: a `WriteAnswer`, from servers that have one."""

_ZONE = re.compile(r"[A-Za-z0-9._-]{0,32}", re.ASCII)

_SHARED_KEY = "takt.shared"
"""Key of the ASGI scope: whether another host's page may have the answer."""

_ENDED = (
    "the server ended before the answer was there; send the request to another server, or again "
    "once this one is back. Whoever runs it raises drain_timeout_s where that is too short"
)

Pair = tuple[bytes, bytes]
WriteAnswer = Callable[[int, Sequence[Pair], bytes | memoryview], bool]
"""Writes a whole answer in one go, by status, headers and body; False if it cannot."""


class Shortcut(Protocol):
    """Answers some requests past the framework."""

    def check(self, scope: Scope) -> None:
        """Raise a TaktError if a request is to be refused before anything is begun for it."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """The answer to a request; None if the framework is to give it."""


class RequestIds:
    """Makes ids for requests that bring none."""

    def __init__(self) -> None:
        # Random bits for each request would cost a system call, which gives the interpreter away.
        self._process, self._count = uuid.uuid4().hex[:20], itertools.count(1)

    def new(self) -> bytes:
        """The next one: 32 hexadecimal digits."""
        return f"{self._process}{next(self._count):012x}".encode()


@dataclass(slots=True, eq=False)
class RequestContext:
    """Refuses foreign pages and unknown callers; gives requests an id, bounds and counts them.

    It also answers uncaught exceptions, and adds the headers that every answer has.

    Attributes:
        app: the application inside.
        metrics: has the gauge of requests in flight.
        max_body_bytes: largest body; reading a larger one raises ImageTooLargeError, at once where
            its length is declared, and its connection is closed.
        gate: refuses requests for foreign names and of foreign pages; WebSockets as well.
        guard: refuses callers who are not known, or may not ask this; WebSockets as well.
        page_headers: headers of the pages for people, by the beginning of their paths.
        shortcut: is asked before the application; None for none.
    """

    app: ASGIApp
    metrics: Metrics
    max_body_bytes: int
    gate: Gate
    guard: Guard
    page_headers: PageHeaders
    shortcut: Shortcut | None = None
    _page_paths: tuple[str, ...] = field(init=False)
    _ids: RequestIds = field(init=False, default_factory=RequestIds)

    def __post_init__(self) -> None:
        """Keep the beginnings of the pages' paths, which every answer is compared with."""
        self._page_paths = tuple(self.page_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        _forget_odd_client(scope)
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                try:
                    self._check(scope)
                    scope[CALLER_KEY] = await self.guard.admit(scope)
                except RequestError as error:
                    await self._deny(error, WebSocket(scope, receive, send))
                    return
            await self.app(scope, receive, send)
            return
        if CALLER_KEY not in scope:
            self._identify(scope)
        # Left in the scope it would keep the scope itself, until a search for garbage.
        write: WriteAnswer | None = scope.pop(WRITE_KEY, None)
        left = self.max_body_bytes
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
                f"the body exceeds {self.max_body_bytes} bytes; send a smaller picture, "
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

        async def respond(response: Response) -> None:
            if write is not None and not too_long:
                headers = self._completed(response.raw_headers, scope)
                if write(response.status_code, headers, response.body):
                    return
            await response(scope, receive, send_with_id)

        self.metrics.in_flight += 1
        try:
            if CALLER_KEY not in scope:
                scope[_SHARED_KEY] = self._check(scope)
                scope[CALLER_KEY] = await self.guard.admit(scope)
            response = None
            if self.shortcut is not None:
                response = await self.shortcut.answer(scope, receive_bounded, send_with_id)
            if response is None:
                await self.app(scope, receive_bounded, send_with_id)
            else:
                await respond(response)
        except Exception as error:
            if started:
                raise
            await respond(problem_response(error, scope[REQUEST_ID_KEY], scope["path"]))
        except asyncio.CancelledError:
            # A server of ours cancels what is not answered when its time to end has passed; what
            # else cancels wants to see its cancellation.
            if write is None or started:
                raise
            ended = NotReadyError(_ENDED)
            await respond(problem_response(ended, scope[REQUEST_ID_KEY], scope["path"]))
        finally:
            self.metrics.in_flight -= 1

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to a POST that is refused before its body, as a call would give it.

        A server that asks for it first saves most of what a refusal costs. What is found out here
        stands in the scope, so that the call does not find it out again.

        Returns:
            None where nothing speaks against the request by now, or a call has to find out.
        """
        shortcut = self.shortcut
        if shortcut is None or scope["method"] != "POST":
            return None
        if b"x-forwarded-for" in dict(scope["headers"]):
            return None  # who the client is, the server has yet to find out
        self._identify(scope)
        if scope[DECLARED_BYTES_KEY] > self.max_body_bytes:
            return None
        try:
            scope[_SHARED_KEY] = self._check(scope)
            scope[CALLER_KEY] = self.guard.check(scope)
            shortcut.check(scope)
        except CallerPendingError:
            return None
        except Exception as error:
            response = problem_response(error, scope[REQUEST_ID_KEY], scope["path"])
            response.raw_headers = self._completed(response.raw_headers, scope)
            return response
        return None

    def _check(self, scope: Scope) -> bool:
        """Check who asks for whom, once all of it can be read; tells what the gate tells."""
        check_encodings(scope)
        return self.gate.check(scope)

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
                headers for start, headers in self.page_headers.items() if path.startswith(start)
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


def id_and_length(headers: Sequence[Pair]) -> tuple[bytes | None, int]:
    """The caller's own id, if it sent one that is fit to be logged, and its body's length.

    >>> id_and_length([(b"x-request-id", b"part-7"), (b"content-length", b"512")])
    (b'part-7', 512)
    """
    found, given = dict(headers), None
    if b"x-request-id" in found:
        ids = (value for name, value in headers if name == b"x-request-id")
        given = next((value for value in ids if REQUEST_ID.fullmatch(value)), None)
    length = found.get(b"content-length", b"")
    return given, int(length) if length.isdigit() else 0


def header_of(scope: Scope, name: bytes) -> str | None:
    """The first header of a name, in lower case; starlette makes objects for one look.

    >>> header_of({"headers": [(b"accept", b"image/*")]}, b"accept")
    'image/*'
    """
    for found, value in scope["headers"]:
        if found == name:
            return str(value, "latin-1")
    return None


def _forget_odd_client(scope: Scope) -> None:
    """Whom a proxy names stands in logs and in the audit log, so it has to be an address."""
    client = scope.get("client")
    if client and not _is_address(client[0]):
        scope["client"] = None


@functools.lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    # What stands behind a % may be anything by that.
    return _ZONE.fullmatch(host.partition("%")[2]) is not None
