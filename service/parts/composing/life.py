"""The life of a server's parts: they begin, their jobs run, they end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any

from service.parts.composing.part import Left, ServerPart
from service.peers import Peers, once_leading


@contextlib.asynccontextmanager
async def living(parts: Sequence[ServerPart], peers: Peers, left_s: Left) -> AsyncIterator[None]:
    """Have parts live for as long as the block lasts.

    Args:
        parts: in the order in which they begin; they end in the opposite one.
        peers: the other processes of the server.
        left_s: gives the time that is left for the end.
    """
    for part in parts:
        await part.begin()
    tasks = {asyncio.create_task(job) for job in _jobs(parts, peers)}
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for part in reversed(parts):
            await part.close(left_s)
        for part in reversed(parts):
            await part.release(left_s)


def _jobs(parts: Sequence[ServerPart], peers: Peers) -> Iterator[Coroutine[Any, Any, None]]:
    for part in parts:
        yield from (job() for job in part.jobs)
        yield from (once_leading(peers, job) for job in part.once_leading)
