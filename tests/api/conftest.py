"""The app on the fake engine, driven in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt.app import create_app
from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.core.engines.opener import EngineFactory
from takt.observing.logging_setup import Write
from takt.observing.tracing.base import Tracing
from takt.recording.record import Record
from takt.repository.supervision.rules import Supervision
from takt.settings import Settings
from tests.api.apps import idle, until

Serve = Callable[..., Any]


@pytest.fixture(scope="session", autouse=True)
def _declared_once(declared_once: None) -> None:
    """Each test here makes an app."""


@pytest.fixture(autouse=True)
def _folders_settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("takt.repository.folder_watch._SETTLE_S", 0.01)


@pytest.fixture(autouse=True)
def _each_request_reads_the_status_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("takt.observing.status.watch._FRESH_S", -1.0)


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
        record: Record | None = None,
        allowed_hosts: str = "takt",
        repository_poll_s: float = 0,
        repository: Path = repository,
        **settings: Any,
    ) -> AsyncIterator[httpx.AsyncClient]:
        given = Settings(
            repository=repository,
            allowed_hosts=allowed_hosts,
            repository_poll_s=repository_poll_s,
            **settings,
        )
        app = create_app(given, open_engine, traces, write, supervision or Supervision(), record)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://takt") as client,
        ):
            if wait:
                await idle(app)
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
def serve_loading(serve: Serve, engines: list[FakeEngine]) -> Serve:
    """Like `serve`, but the model does not get through its golden check while a test looks."""

    def open_shut(_: Bundle) -> FakeEngine:
        engine = FakeEngine()
        engine.gate.clear()
        engines.append(engine)
        return engine

    @asynccontextmanager
    async def run() -> AsyncIterator[httpx.AsyncClient]:
        async with serve(wait=False, open_engine=open_shut) as client:
            await until(lambda: any(engine.batch_sizes for engine in engines))
            yield client

    return run


@pytest.fixture
def bad_part(picture_bytes: Callable[..., bytes]) -> bytes:
    """64 × 48, dark, with a bright 16 × 12 spot at (16, 12)."""
    return picture_bytes(50, spot=200)
