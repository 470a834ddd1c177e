"""The app on fake engines that break."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from tests.api.broken_engines.plant import QUICK, Plant
from tests.api.conftest import Serve


@pytest.fixture
def plant(serve: Serve, engines: list[FakeEngine], picture_bytes) -> Callable[..., Any]:
    @asynccontextmanager
    async def run(*, shareable: bool = False, **settings: Any) -> AsyncIterator[Plant]:
        def open_engine(_: Bundle) -> FakeEngine:
            engine = FakeEngine()
            engine.shareable = shareable
            engines.append(engine)
            return engine

        options = {"open_engine": open_engine, "supervision": QUICK} | settings
        async with serve(**options) as client:
            yield Plant(client, engines, picture_bytes())

    return run
