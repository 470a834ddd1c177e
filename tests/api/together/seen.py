"""What can be seen of the workers of a server together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from takt.parts.composing.assembly import foundation_of
from tests.linked import Worker


async def counted(workers: Sequence[Worker], name: str) -> float:
    """The sum of a counter over all workers and labels."""
    total = 0.0
    for worker in workers:
        for family in foundation_of(worker.app).metrics.read():
            total += sum(sample.value for sample in family.samples if sample.name == name)
    return total


async def audited(workers: Sequence[Worker], *actions: str, least: int = 1) -> list[dict[str, Any]]:
    """The entries of these actions in the audit log, the oldest first, once there are so many."""
    async with asyncio.timeout(60):
        while True:
            answer = await workers[0].client.get("/v1/audit")
            assert answer.status_code == 200, answer.text
            found = [one for one in answer.json()["entries"] if one["action"] in actions]
            if len(found) >= least:
                return found[::-1]
            await asyncio.sleep(0.01)
