"""A watched repository."""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from takt.core.engines.fake import FakeEngine
from takt.core.inspection.inference import Pools
from takt.observing.instruments.metrics import Metrics
from takt.repository.context import version_context
from takt.repository.folder_watch import FolderWatch
from takt.repository.repository import ModelRepository
from takt.settings import Settings
from tests.unit.service.repository.watched import Watched


@pytest.fixture
def watched(repository: Path) -> Callable[[], AsyncIterator[Watched]]:
    @asynccontextmanager
    async def run() -> AsyncIterator[Watched]:
        engines: list[FakeEngine] = []

        def open_fake(_: object) -> FakeEngine:
            engines.append(FakeEngine())
            return engines[-1]

        settings = Settings(repository=repository)
        with ThreadPoolExecutor(1) as threads:
            metrics = Metrics()
            pools = Pools(threads, threads, 1)
            models = ModelRepository(
                repository, version_context(settings, pools, metrics, open_fake)
            )
            watch = FolderWatch(repository, models, 0.2)
            await models.load()
            try:
                yield Watched(models, watch, engines, metrics)
            finally:
                await models.close(10)

    return run
