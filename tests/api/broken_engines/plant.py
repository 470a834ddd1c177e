"""A server of fake engines that break as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from takt.core.batching.watch import RunLimits
from takt.core.engines.fake import FakeEngine, FakeFault
from takt.repository.supervision.rules import Supervision

INSPECT = "/v1/models/parts/inspect"

QUICK = Supervision(
    runs=RunLimits(least_s=0.3, first_s=0.3, factor=1.0, look_every_s=0.02, failures=3),
    pause_s=0.01,
    most_pause_s=0.02,
    least_s=5.0,
)
"""The rules of the service, in a hurry."""


class Plant:
    """A server of fake engines, and its client."""

    def __init__(self, client: httpx.AsyncClient, engines: list[FakeEngine], picture: bytes):
        self.client = client
        self.engines = engines
        self.picture = picture

    async def post(self, path: str = INSPECT) -> tuple[int, str]:
        """Status, and code of the error, if it is one."""
        answer = await self.client.post(path, content=self.picture)
        body = answer.json()
        return answer.status_code, body.get("code") or "verdict"

    async def ready(self) -> bool:
        return (await self.client.get("/health/ready")).status_code == 200

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.001)

    async def until_ready(self) -> None:
        async with asyncio.timeout(60):
            while not await self.ready():
                await asyncio.sleep(0.001)

    async def metric(self, line: str) -> float:
        text = (await self.client.get("/metrics")).text
        (found,) = (one for one in text.splitlines() if one.startswith(line + " "))
        return float(found.split()[-1])

    async def count(self, name: str, reason: str) -> float:
        return await self.metric(f'{name}_total{{model="parts",reason="{reason}"}}')


def break_next(engine: FakeEngine, *faults: FakeFault | None) -> None:
    engine.faults = iter(faults)
