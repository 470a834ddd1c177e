"""What one worker alone does: the others say so, and the next one that leads goes on with it."""

from __future__ import annotations

from tests.api.together.conftest import ServeTogether

LEARNING = "/v1/learning"


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
