"""Uploads: their time, their places, and what stays of them."""

from __future__ import annotations

import asyncio
import tempfile

import pytest
from starlette.types import Message

from takt.app import create_app
from takt.core.batching import uploads
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.settings import Settings
from tests.api.apps import Caller, idle, until


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def app(bundle, repository, engine, monkeypatch):
    """An app whose uploads may take as long as a busy machine does."""
    monkeypatch.setattr(uploads, "GRACE_S", 60.0)
    settings = Settings(repository=repository, max_queue_size=1, upload_timeout_s=60.0)
    return create_app(settings, lambda _: engine)


@pytest.fixture
def quick_app(bundle, repository, engine):
    settings = Settings(repository=repository, max_queue_size=1, upload_timeout_s=0.05)
    return create_app(settings, lambda _: engine)


def body_of(messages: list[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in messages)


async def test_headers_without_a_body_hold_no_place_in_the_queue(
    app, engine, picture_bytes
) -> None:
    async with app.router.lifespan_context(app):
        await idle(app)
        engine.batch_sizes.clear()
        slow = [Caller(app) for _ in range(256)]
        await until(lambda: all(caller.messages.empty() for caller in slow))
        good = Caller(app)
        good.say(picture_bytes())
        await good.task
        assert good.sent[0]["status"] == 200
        for caller in slow:
            caller.task.cancel()
        await asyncio.gather(*(caller.task for caller in slow), return_exceptions=True)


async def test_an_upload_that_takes_too_long_gets_408_whatever_its_own_timeout(
    quick_app, picture_bytes
) -> None:
    async with quick_app.router.lifespan_context(quick_app):
        await idle(quick_app)
        slow = Caller(quick_app, query=b"timeout_ms=3600000")
        slow.say(b"half", more=True)
        await slow.task
        assert slow.sent[0]["status"] == 408
        assert (b"connection", b"close") in slow.sent[0]["headers"]
        assert b"upload_too_slow" in body_of(slow.sent)


async def test_a_picture_is_counted_once_it_is_there(app, engine, picture_bytes) -> None:
    async with app.router.lifespan_context(app):
        await idle(app)
        engine.batch_sizes.clear()
        late = Caller(app)
        late.say(picture_bytes()[:10], more=True)
        await until(late.messages.empty)
        engine.gate.clear()
        running = Caller(app)
        running.say(picture_bytes())
        await until(lambda: engine.batch_sizes == [1])
        waiting = Caller(app)
        waiting.say(picture_bytes())
        model = foundation_of(app).models.repository.get("parts")
        await until(lambda: model.depth == 1)
        late.say(picture_bytes()[10:])
        await late.task
        assert late.sent[0]["status"] == 429
        assert b"queue_full" in body_of(late.sent)
        engine.gate.set()
        await asyncio.gather(running.task, waiting.task)
        assert [one.sent[0]["status"] for one in (running, waiting)] == [200, 200]


async def test_a_form_is_never_written_to_disk(serve, picture_bytes, monkeypatch) -> None:
    def no_disk(*_: object, **__: object) -> None:
        raise AssertionError("a file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_disk)
    padded = picture_bytes(suffix=".bmp") + bytes(2 * 1024 * 1024)
    async with serve() as client:
        answer = await client.post("/v1/models/parts/inspect", files={"image": padded})
    assert answer.status_code == 200
