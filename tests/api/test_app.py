"""The end of the app, where no server begins it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from takt.app import create_app
from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.settings import Settings
from takt.streaming.sessions import Sessions


async def test_what_the_streams_take_is_not_given_to_the_models_again(
    bundle: Bundle,
    repository: Path,
    picture_bytes: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = FakeEngine()
    app = create_app(Settings(repository=repository, drain_timeout_s=3600), lambda _: engine)
    now_s = 0.0
    monkeypatch.setattr(foundation_of(app).drain, "_clock", lambda: now_s)

    async def take_all_of_it(sessions: Sessions, timeout_s: float) -> None:
        nonlocal now_s
        now_s += timeout_s

    monkeypatch.setattr(Sessions, "close", take_all_of_it)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        try:
            async with app.router.lifespan_context(app):
                while (await client.get("/health/ready")).status_code != 200:
                    await asyncio.sleep(0)
                engine.batch_sizes.clear()
                engine.gate.clear()
                path, body = "/v1/models/parts/inspect", picture_bytes()
                posted = asyncio.create_task(client.post(path, content=body))
                while not engine.batch_sizes:
                    await asyncio.sleep(0)
            # The app has ended, though its engine is at work for ever.
            assert engine.closed
        finally:
            engine.gate.set()
        await posted
