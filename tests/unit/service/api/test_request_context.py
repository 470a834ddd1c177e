from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from takt.api.request_context import WRITE_KEY, RequestContext
from takt.observing.instruments.metrics import Metrics
from takt.security.credentials import Credentials
from takt.security.gate import Gate
from takt.security.guard import Guard
from takt.security.hosts import AllowedHosts
from takt.security.origins import AllowedOrigins

pytestmark = pytest.mark.anyio


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


async def ignore(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


class Client:
    """Sends parts of a body, and takes the answer."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = list(parts)
        self.answer: Message = {}

    async def ask(
        self, app, scope: dict[str, object] | None = None, **headers: str
    ) -> tuple[int, bytes | None]:
        """The status, and the answer's header `Connection`."""
        scope = {
            **(scope or {}),
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": [
                (name.replace("_", "-").encode(), value.encode())
                for name, value in {"host": "127.0.0.1", **headers}.items()
            ],
        }
        gate = Gate(AllowedHosts("*"), AllowedOrigins(""))
        context = RequestContext(app, Metrics(), 8, gate, Guard(Credentials([])), ())
        await context(scope, self.receive, self.send)
        if not self.answer:
            return 0, None
        return self.answer["status"], dict(self.answer["headers"]).get(b"connection")

    async def receive(self) -> Message:
        part = self.parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts)}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.answer = message


async def test_a_declared_length_beyond_the_bound_is_refused_before_the_body() -> None:
    client = Client(b"never read")
    assert await client.ask(read, content_length=str(2**40)) == (413, b"close")
    assert client.parts == [b"never read"]


async def test_a_body_that_grows_beyond_the_bound_is_refused_and_its_rest_not_awaited() -> None:
    client = Client(b"12345", b"6789", b"never read")
    assert await client.ask(read) == (413, b"close")
    assert client.parts == [b"never read"]


async def test_a_route_that_reads_no_body_answers_but_does_not_wait_for_it() -> None:
    assert await Client().ask(ignore, content_length=str(2**40)) == (200, b"close")


async def test_a_body_of_exactly_the_bound_is_read() -> None:
    assert await Client(b"1234", b"5678").ask(read, content_length="8") == (200, None)


async def test_the_callers_id_is_the_answers() -> None:
    client = Client(b"")
    await client.ask(read, content_length="0", x_request_id="part-7")
    assert dict(client.answer["headers"])[b"x-request-id"] == b"part-7"


@pytest.mark.parametrize("served", [True, False])
async def test_a_request_whose_server_ends_gets_503_and_another_cancellation_is_passed_on(
    served: bool,
) -> None:
    written: list[int] = []

    def write(status: int, headers: object, body: object) -> bool:
        written.append(status)
        return True

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.get_running_loop().create_future()

    scope = {WRITE_KEY: write} if served else {}
    asking = asyncio.create_task(Client().ask(wait, scope=scope))
    await asyncio.sleep(0)
    asking.cancel()
    (ended,) = await asyncio.gather(asking, return_exceptions=True)
    assert written == ([503] if served else [])
    assert isinstance(ended, asyncio.CancelledError) is not served


@pytest.mark.parametrize(
    ("named", "client"),
    [
        ("10.0.3.17", "10.0.3.17"),
        ("2001:db8::7", "2001:db8::7"),
        ("<script>alert(1)</script>", None),
        ("fe80::1%<script>", None),
        ("engineer", None),
        ("1.2.3.4.5", None),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_whom_a_proxy_names_is_a_client_only_if_it_is_an_address(
    named: str, client: str | None, kind: str
) -> None:
    seen = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"] and scope["client"][0])
        if kind == "http":
            await ignore(scope, receive, send)

    gate = Gate(AllowedHosts("*"), AllowedOrigins(""))
    context = RequestContext(note, Metrics(), 8, gate, Guard(Credentials([])), ())
    app = ProxyHeadersMiddleware(context, trusted_hosts="127.0.0.1")
    scope = {
        "type": kind,
        "method": "GET",
        "path": "/v1/models",
        "headers": [(b"host", b"localhost"), (b"x-forwarded-for", named.encode())],
        "client": ("127.0.0.1", 5000),
        "scheme": "http",
    }

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        """Nobody reads it."""

    await app(scope, receive, send)
    assert seen == [client]
