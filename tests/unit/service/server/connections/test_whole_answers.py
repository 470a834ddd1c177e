"""An answer that is there as a whole is sent as uvicorn would have sent it."""

from __future__ import annotations

import gc
import weakref

import pytest
from starlette.responses import Response

from takt.api.json_body import JsonAnswer
from takt.api.request_context import WRITE_KEY, RequestContext
from takt.observing.instruments.metrics import Metrics
from takt.security.credentials import Credentials
from takt.security.gate import Gate
from takt.security.guard import Guard
from takt.security.hosts import AllowedHosts
from takt.security.origins import AllowedOrigins
from tests.unit.service.server.conftest import Run, answer

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: takt\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: takt\r\nConnection: close\r\n\r\n"


class Full:
    """An app that refuses requests for /full, by itself or ahead of a call."""

    def __init__(self, *, ahead: bool) -> None:
        self.called: list[str] = []
        if ahead:
            self.refusal = self._refusal

    def _refusal(self, scope) -> Response | None:
        if scope["path"] != "/full":
            return None
        return Response(b"no", 429, {"Retry-After": "3", "X-Request-ID": "r1"})

    async def __call__(self, scope, receive, send) -> None:
        self.called.append(scope["path"])
        refusal = self._refusal(scope)
        await (answer if refusal is None else refusal)(scope, receive, send)


FULL = b"POST /full HTTP/1.1\r\nHost: takt\r\nContent-Length: 4\r\n\r\nbody"


async def test_what_the_app_refuses_ahead_is_answered_as_by_a_call(running: Run) -> None:
    answers = []
    for ahead in (False, True):
        app = Full(ahead=ahead)
        async with running(app) as server:
            answers.append(await server.ask(FULL + GET + FULL + FULL + LAST_GET))
        assert app.called.count("/full") == (0 if ahead else 3)
    called, ahead_of_it = answers
    assert called == ahead_of_it
    assert called.count(b"HTTP/1.1 429 Too Many Requests\r\n") == 3


async def test_a_refusal_ahead_closes_the_connection_of_a_client_that_wants_it(
    running: Run,
) -> None:
    last = FULL.replace(b"Host", b"Connection: close\r\nHost")
    answers = []
    for ahead in (False, True):
        async with running(Full(ahead=ahead)) as server:
            answers.append(await server.ask(last))
    assert answers[0] == answers[1]
    assert b"\r\nconnection: close\r\n" in answers[1]


async def test_an_answer_that_is_written_in_one_go_is_as_uvicorn_would_send_it(
    running: Run,
) -> None:
    async def whole(scope, receive, send) -> None:
        headers = [(b"content-length", b"2"), (b"x-takt", b"1")]
        assert scope[WRITE_KEY](200, headers, b"ok")

    async def parts(scope, receive, send) -> None:
        headers = [(b"content-length", b"2"), (b"x-takt", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    answers = []
    for app in (whole, parts):
        async with running(app) as server:
            answers.append(await server.ask(GET * 3 + LAST_GET))
    assert answers[0] == answers[1]
    assert answers[0].count(b"HTTP/1.1 200 OK\r\n") == 4


class Shortcut:
    """Answers every request, and knows which of them are still in memory."""

    def __init__(self) -> None:
        self.held = weakref.WeakSet[Full]()

    def check(self, scope) -> None:
        pass

    async def answer(self, scope, receive, send) -> Response:
        scope["held"] = held = Full(ahead=False)
        self.held.add(held)
        return JsonAnswer(b"ok")


async def test_an_answered_request_is_freed_without_a_search_for_garbage(running: Run) -> None:
    shortcut = Shortcut()
    gate, guard = Gate(AllowedHosts("*"), AllowedOrigins("")), Guard(Credentials([]))
    app = RequestContext(answer, Metrics(), 8, gate, guard, {}, shortcut)
    gc.collect()
    gc.disable()
    try:
        async with running(app) as server:
            reader, writer = await server.connect()
            for _ in range(3):
                writer.write(GET)
                await reader.readuntil(b"ok")
            await server.until(lambda: len(shortcut.held) <= 1)
            writer.close()
    finally:
        gc.enable()
