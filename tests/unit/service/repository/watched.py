"""A repository whose folder is watched, as the tests take its steps."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import generate_latest

from takt.core.bundles.thresholds import DeployedThresholds
from takt.core.engines.fake import FakeEngine
from takt.observing.instruments.metrics import Metrics
from takt.repository.folder_watch import FolderWatch
from takt.repository.repository import ModelRepository


@dataclass
class Watched:
    repository: ModelRepository
    watch: FolderWatch
    engines: list[FakeEngine]
    metrics: Metrics

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.watch.poll()

    @property
    def versions(self) -> dict[str, str]:
        return {f"{m.name}/{m.version}": m.state for m in self.repository}

    @property
    def active(self) -> str:
        return self.repository.get("parts").version

    @property
    def thresholds(self) -> DeployedThresholds:
        return self.repository.get("parts").check_ready().thresholds

    @property
    def exposed(self) -> str:
        return generate_latest(self.metrics.registry).decode()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)
