"""What one worker alone does: the others say so, and the next one that leads goes on with it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api.together.conftest import ServeTogether
from tests.linked import Worker

LEARNING = "/v1/learning"


async def status_after(worker: Worker, answered: int) -> dict[str, Any]:
    """What a worker says of the server once so many pictures are answered."""
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await worker.client.get("/v1/status")).json()
            if found["since_start"]["answered"] == answered:
                return found
            await asyncio.sleep(0.05)


async def test_only_the_worker_that_leads_learns(serve_together: ServeTogether) -> None:
    async with serve_together() as (leader, other):
        assert (await leader.client.get(LEARNING)).status_code == 200
        for refused in (
            await other.client.get(LEARNING),
            await other.client.post(LEARNING, json={"model": "nuts"}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"] == "1"
        other.peers.leading.set()
        assert (await other.client.get(LEARNING)).status_code == 200


async def test_the_status_is_that_of_all_workers_whichever_leads(
    serve_together: ServeTogether, bad_part: bytes
) -> None:
    async with serve_together() as workers:
        leader, other = workers
        for worker in (leader, other, other):
            answer = await worker.client.post("/v1/models/parts/inspect", content=bad_part)
            assert answer.status_code == 200
        found = await status_after(leader, answered=3)
        times = {one["stage"]: one["p50_ms"] for one in found["since_start"]["stages"]}
        assert times["total"] > 0
        other.peers.leading.set()
        assert (await status_after(other, answered=3))["models"][0]["ready"]
