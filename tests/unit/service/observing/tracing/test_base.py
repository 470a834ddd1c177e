"""Which trace a picture belongs to."""

from __future__ import annotations

import asyncio

from takt.observing.tracing.base import current_trace, use_trace


class SomeTrace:
    trace_id = "0" * 32


def test_tasks_that_are_begun_for_a_request_know_its_trace() -> None:
    trace = SomeTrace()

    async def look() -> object:
        return current_trace()

    async def test() -> None:
        with use_trace(trace):  # type: ignore[arg-type]
            inside = asyncio.create_task(look())
        outside = asyncio.create_task(look())
        assert await inside is trace
        assert await outside is None

    asyncio.run(test())
