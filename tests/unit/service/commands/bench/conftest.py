"""Time that jumps from timer to timer, and a small server that speaks like Takt."""

from __future__ import annotations

import asyncio
import selectors
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
import uvicorn

from takt.commands.bench.clock import LoadClock
from takt.commands.bench.load import Bounds, Generator, Transport


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing; the loop's time jumps by as much as it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout > 0:
            self.now_s += timeout
        return super().select(0)


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


class VirtualClock:
    """The jumping loop's time; sleepers wake late by as much as is given."""

    def __init__(self, oversleeps_s: float) -> None:
        self._oversleeps_s = oversleeps_s

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep_until(self, at_s: float) -> None:
        await asyncio.sleep(at_s + self._oversleeps_s - self.now_s())


Drive = Callable[[Generator], Awaitable[None]]


@pytest.fixture
def generate() -> Callable[..., Generator]:
    """`generate(transport_of, drive, ...)`: a generator whose run has ended, in no time at all.

    `transport_of` gets the clock, `drive` the generator, whose loop it runs.
    """

    def run(
        transport_of: Callable[[LoadClock], Transport],
        drive: Drive,
        *,
        warmup_s: float = 0.0,
        duration_s: float = 10.0,
        requests: int | None = None,
        answer_s: float = 60.0,
        oversleeps_s: float = 0.0,
    ) -> Generator:
        async def body() -> Generator:
            clock = VirtualClock(oversleeps_s)
            bounds = Bounds(warmup_s, duration_s, requests, answer_s)
            generator = Generator(transport_of(clock), clock, bounds)
            await drive(generator)
            return generator

        with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
            return runner.run(body())

    return run


ANSWER = {
    "score": 0.75,
    "threshold": 0.5,
    "anomalous": True,
    "heatmap": None,
}
FULL = {"type": "urn:takt:error:queue_full", "title": "Queue full", "status": 429}
FULL |= {"detail": "come back later", "code": "queue_full"}


KEY = "tk_secret"
NO_KEY = {"title": "Unauthenticated", "status": 401, "code": "unauthenticated"}
NO_KEY |= {"detail": "show a key"}
NO_MODEL = {"title": "Model not found", "status": 404, "code": "model_not_found"}
NO_MODEL |= {"detail": "there is no model 'nope'; this server has parts, busy"}
TOO_LARGE = {"title": "Image too large", "status": 413, "code": "image_too_large"}
TOO_LARGE |= {"detail": "the picture has too many bytes"}
NO_IMAGE = {"title": "Invalid image", "status": 400, "code": "invalid_image"}
NO_IMAGE |= {"detail": "the picture is cut short"}
NO_SCOPE = {**NO_KEY, "status": 403, "code": "insufficient_scope", "detail": "it lacks read"}


_ANSWERED: Counter[str] = Counter()


async def _takt(scope: Any, receive: Any, send: Any) -> None:
    """Model `parts` finds a defect in every picture; `busy` takes none, `small` none so large.

    `ending` takes three.

    Below /keyed it answers those alone who show the key, and below /keyed/for-pictures it lists no
    models.
    """
    shown = dict(scope["headers"]).get(b"authorization")
    if scope["path"].startswith("/keyed/") and shown != f"Bearer {KEY}".encode():
        kind = "http" if scope["type"] == "http" else "websocket.http"
        body = orjson.dumps(NO_KEY)
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": f"{kind}.response.start", "status": 401, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": body})
        return
    if scope["type"] == "websocket":
        await _stream(receive, send)
        return
    more, length = True, 0
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    status, body = 200, ANSWER
    if scope["path"].endswith("/for-pictures/v1/models"):
        status, body = 403, NO_SCOPE
    elif scope["path"].endswith("/v1/models"):
        body = {"models": [{"name": "parts"}, {"name": "busy"}]}
    elif "busy" in scope["path"]:
        status, body = 429, FULL
    elif "ending" in scope["path"]:
        _ANSWERED["ending"] += 1
        status, body = (200, ANSWER) if _ANSWERED["ending"] <= 3 else (401, NO_KEY)
    elif "nope" in scope["path"]:
        status, body = 404, NO_MODEL
    elif "small" in scope["path"]:
        status, body = 413, TOO_LARGE
    elif not length or b"heatmap=map" not in scope["query_string"]:
        status, body = 400, NO_IMAGE
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


async def _stream(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    welcome = {"type": "welcome", "session": "s", "resumed": False, "credits": 4}
    await send({"type": "websocket.send", "text": orjson.dumps(welcome).decode()})
    while (message := await receive())["type"] == "websocket.receive":
        (sequence,) = struct.unpack_from("<Q", message["bytes"], 8)
        answer = {"type": "answer", "sequence": sequence, "age_ms": 2.0, **ANSWER}
        await send({"type": "websocket.send", "text": orjson.dumps(answer).decode()})


@contextmanager
def _serving() -> Iterator[str]:
    _ANSWERED.clear()
    config = uvicorn.Config(
        _takt, lifespan="off", log_config=None, access_log=False, ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a small server of this very process; it listens before it is up."""
    with _serving() as url:
        yield url
