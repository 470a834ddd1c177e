"""What the app refuses ahead of a call is refused as a call would, and everything else is left."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from takt.parts.composing.assembly import foundation_of
from tests.api.apps import SCOPE, until
from tests.api.keys import KEYS, bearer

URL = "/v1/models/parts/inspect"
ID = {"x-request-id": "r1"}

Answer = tuple[int, dict[bytes, bytes], bytes]


def scope_of(query: str = "", path: str = URL, **headers: str) -> dict[str, Any]:
    given = ID | {"host": "takt"} | {key.replace("_", "-"): text for key, text in headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return {**SCOPE, "path": path, "query_string": query.encode(), "headers": raw}


async def called(app: Any, scope: dict[str, Any]) -> Answer:
    """What a call answers."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def ahead(app: Any, scope: dict[str, Any]) -> Answer | None:
    """What is answered ahead of a call."""
    answer = app.refusal(scope)
    return answer and (answer.status_code, dict(answer.raw_headers), bytes(answer.body))


@asynccontextmanager
async def full(serve, engines, picture: bytes, **settings: Any) -> AsyncIterator[Any]:
    """The app, whose queue is full of pictures of the key `camera` where there are keys."""
    headers = bearer("camera") if "keys" in settings else {}
    async with serve(max_queue_size=2, max_batch_size=1, **settings) as client:
        app = client._transport.app
        for engine in engines:
            engine.gate.clear()
        posts = []
        depth = next(iter(foundation_of(app).models.repository)).pipeline
        before = [len(engine.batch_sizes) for engine in engines]

        def busy() -> bool:
            sizes = (len(engine.batch_sizes) for engine in engines)
            return all(size > former for size, former in zip(sizes, before, strict=True))

        # A queue that an engine has yet to take from is full for a moment only.
        while ahead(app, scope_of(**headers)) is None or not busy():
            if ahead(app, scope_of(**headers)) is not None:
                await until(busy)
                continue
            posts.append(asyncio.create_task(client.post(URL, content=picture, headers=headers)))
            count = len(posts)
            await until(lambda count=count: depth._whole_journey.inside >= count)
        yield app
        for engine in engines:
            engine.gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*posts)} == {200}


REFUSED: dict[str, tuple[dict[str, str], int]] = {
    "a full queue": ({}, 429),
    "a full queue, of one version": ({"path": "/v1/models/parts/versions/1/inspect"}, 429),
    "a full queue, for bulk": ({"query": "priority=bulk&heatmap=map"}, 429),
    "another server's name": ({"host": "evil.example"}, 421),
    "a foreign page": ({"origin": "https://evil.example"}, 403),
    "a wrong option": ({"query": "heatmap=rainbow"}, 422),
    "another route's foreign page": ({"path": "/v1/none", "origin": "null"}, 403),
}


@pytest.mark.parametrize(("asked", "status"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_ahead_of_a_call_is_that_of_a_call(
    serve, engines, picture_bytes, asked: dict[str, str], status: int
) -> None:
    async with full(serve, engines, picture_bytes()) as app:
        answer = ahead(app, scope_of(**asked))
        assert answer is not None
        assert answer == await called(app, scope_of(**asked))
        assert answer[0] == status
        assert answer[1][b"x-request-id"] == b"r1"


@pytest.mark.parametrize(
    ("headers", "status"),
    [(bearer("camera"), 429), (bearer("scraper"), 403), ({"authorization": "Bearer x"}, 401)],
)
async def test_keys_are_asked_before_the_queue(
    serve, engines, picture_bytes, headers: dict[str, str], status: int
) -> None:
    async with full(serve, engines, picture_bytes(), keys=KEYS) as app:
        answer = ahead(app, scope_of(**headers))
        assert answer is not None
        assert answer == await called(app, scope_of(**headers))
        assert answer[0] == status


LEFT: dict[str, dict[str, str]] = {
    "a model that does not exist": {"path": "/v1/models/none/inspect"},
    "a body beyond the bound": {"content_length": str(2**40)},
    "a picture that it cannot have": {"accept": "image/gif"},
    "a client behind a proxy, which the server finds out first": {"x_forwarded_for": "10.0.0.7"},
}


@pytest.mark.parametrize("asked", LEFT.values(), ids=LEFT)
async def test_what_takes_a_call_is_left_to_it(
    serve, engines, picture_bytes, asked: dict[str, str]
) -> None:
    async with full(serve, engines, picture_bytes()) as app:
        scope = scope_of(**asked)
        assert ahead(app, scope) is None
        assert await called(app, scope) == await called(app, scope_of(**asked))


async def test_where_there_is_room_nothing_is_refused(serve, picture_bytes) -> None:
    async with serve() as client:
        app = client._transport.app
        assert (await client.post(URL, content=picture_bytes())).status_code == 200
        for method in ("POST", "GET"):
            assert ahead(app, {**scope_of(), "method": method}) is None


async def test_a_request_that_was_asked_about_is_answered_with_what_was_found_out(
    serve, picture_bytes
) -> None:
    async with serve(keys=KEYS) as client:
        app = client._transport.app
        scope = scope_of("threshold=0.01", **bearer("camera"))
        assert app.refusal(scope) is None
        assert (await called(app, scope))[0] == 400  # no picture
        assert scope["takt.caller"].name == "camera"


async def test_a_refusal_is_counted_and_logged_once(serve, engines, picture_bytes) -> None:
    lines: list[str] = []
    async with full(serve, engines, picture_bytes(), write=lines.append) as app:
        before = await counted(app)
        assert ahead(app, scope_of()) is not None
        assert await counted(app) == before + 1
        assert "\n".join(lines).count("429 queue_full parts rest r1") == before + 1


async def test_where_requests_are_traced_each_takes_a_call(serve, engines, picture_bytes) -> None:
    async with serve(traces=NoTraces(), max_queue_size=1) as client:
        assert ahead(client._transport.app, scope_of(host="evil.example")) is None


async def counted(app: Any) -> float:
    """Refusals for a full queue, as the metrics have them."""
    _, _, text = await called(app, {**scope_of(path="/metrics"), "method": "GET"})
    found = re.search(rb'takt_requests_total\{model="parts",outcome="queue_full",.*\} (.*)', text)
    return float(found[1]) if found else 0.0


class NoTraces:
    """Records nothing, but stands around each request."""

    def request(self, scope: object) -> None:
        return None

    def stream(self, scope: object, model: str) -> Iterable[object]:
        return ()

    async def close(self, timeout_s: float) -> None:
        pass
