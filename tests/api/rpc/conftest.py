"""An app on the fake engine, on real ports of HTTP and gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

pytest.importorskip("grpc_health", reason="gRPC is an extra")

from takt.app import create_app
from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.observing.tracing.base import Tracing
from takt.recording.record import Record
from takt.settings import Settings
from tests.api.rpc.transports import Served, Transport, served

Serve = Callable[..., Any]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """The event loop that the service runs on."""
    return "asyncio", {"loop_factory": uvloop.new_event_loop}


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def serve(bundle: Bundle, repository, engine: FakeEngine) -> Serve:
    """`async with serve(transport, **settings) as server:` an app whose models are loaded."""

    @asynccontextmanager
    async def run(
        transport: Transport,
        record: Record | None = None,
        tracing: Tracing | None = None,
        **given: Any,
    ) -> AsyncIterator[Served]:
        settings = Settings(repository=repository, repository_poll_s=0, **given)
        app = create_app(settings, lambda _: engine, tracing, record=record)
        async with served(app, settings, transport) as server:
            engine.batch_sizes.clear()
            try:
                yield server
            finally:
                engine.gate.set()

    return run
