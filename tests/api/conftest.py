"""The app on the fake engine, driven in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.bundles.bundle import Bundle
from service.engines.fake import FakeEngine
from service.engines.opener import EngineFactory
from service.observing.logging_setup import Write
from service.observing.tracing.base import Tracing
from service.repository.supervision.rules import Supervision
from service.settings import Settings

Serve = Callable[..., Any]


@pytest.fixture
def engines() -> list[FakeEngine]:
    """Every fake engine that the app opened."""
    return []


@pytest.fixture
def serve(bundle: Bundle, repository: Path, engines: list[FakeEngine]) -> Serve:
    """`async with serve(**settings) as client:` an app whose models are loaded."""

    def open_fake(_: Bundle) -> FakeEngine:
        engines.append(FakeEngine())
        return engines[-1]

    @asynccontextmanager
    async def run(
        *,
        wait: bool = True,
        open_engine: EngineFactory = open_fake,
        traces: Tracing | None = None,
        write: Write | None = None,
        supervision: Supervision | None = None,
        allowed_hosts: str = "takt",
        **settings: Any,
    ) -> AsyncIterator[httpx.AsyncClient]:
        given = Settings(repository=repository, allowed_hosts=allowed_hosts, **settings)
        app = create_app(given, open_engine, traces, write, supervision or Supervision())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://takt") as client,
        ):
            if wait:
                async with asyncio.timeout(10):
                    while '"loading"' in (await client.get("/health/ready")).text:
                        await asyncio.sleep(0)
            for engine in engines:
                engine.batch_sizes.clear()
            try:
                yield client
            finally:
                for engine in engines:
                    engine.gate.set()
                    engine.released.set()

    return run


@pytest.fixture
def bad_part(picture_bytes: Callable[..., bytes]) -> bytes:
    """64 × 48, dark, with a bright 16 × 12 spot at (16, 12)."""
    return picture_bytes(50, spot=200)
