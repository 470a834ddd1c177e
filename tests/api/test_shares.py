"""Callers beside each other: none takes the whole queue."""

from __future__ import annotations

import asyncio

from tests.api.apps import until
from tests.api.keys import KEYS, bearer


async def test_a_caller_who_sends_without_end_leaves_places_to_others(
    serve, engines, picture_bytes
) -> None:
    picture = picture_bytes()
    async with serve(keys=KEYS, max_queue_size=8) as client:

        async def send(name: str) -> int:
            path, headers = "/v1/models/parts/inspect", bearer(name)
            return (await client.post(path, content=picture, headers=headers)).status_code

        assert await send("all") == 200
        engines[0].gate.clear()
        greedy = [asyncio.create_task(send("camera")) for _ in range(20)]
        # Four have places; one more may have come while the engine took the first.
        await until(lambda: sum(task.done() for task in greedy) >= 15)
        modest = [asyncio.create_task(send("all")) for _ in range(2)]
        engines[0].gate.set()
        assert await asyncio.gather(*modest) == [200, 200]
        answers = await asyncio.gather(*greedy)
        assert answers.count(200) in (4, 5)
        assert answers.count(429) == 20 - answers.count(200)


async def test_a_caller_alone_may_have_the_whole_queue(serve, engines, picture_bytes) -> None:
    picture = picture_bytes()
    async with serve(keys=KEYS, max_queue_size=8) as client:

        async def send() -> int:
            path, headers = "/v1/models/parts/inspect", bearer("camera")
            return (await client.post(path, content=picture, headers=headers)).status_code

        engines[0].gate.clear()
        greedy = [asyncio.create_task(send()) for _ in range(20)]
        await until(lambda: sum(task.done() for task in greedy) >= 10)
        engines[0].gate.set()
        answers = await asyncio.gather(*greedy)
        assert answers.count(200) >= 8
