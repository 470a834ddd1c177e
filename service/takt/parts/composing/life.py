"""The life of a server's parts: they begin, their jobs run, they end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any

from takt.parts.composing.part import Left, ServerPart
from takt.peers import Peers, once_leading


@contextlib.asynccontextmanager
async def living(parts: Sequence[ServerPart], peers: Peers, left_s: Left) -> AsyncIterator[None]:
    """Have parts live for as long as the block lasts.

    Where a part cannot begin, those before it end. A part that fails to end keeps no other from it.

    Args:
        parts: in the order in which they begin; they end in the opposite one.
        peers: the other processes of the server.
        left_s: gives the time that is left for the end.
    """
    async with contextlib.AsyncExitStack() as releases, contextlib.AsyncExitStack() as closes:
        for part in parts:
            await part.begin()
            releases.push_async_callback(part.release, left_s)
            closes.push_async_callback(part.close, left_s)
        tasks = {asyncio.create_task(job) for job in _jobs(parts, peers)}
        closes.push_async_callback(_end, tasks)
        yield


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _jobs(parts: Sequence[ServerPart], peers: Peers) -> Iterator[Coroutine[Any, Any, None]]:
    for part in parts:
        yield from (job() for job in part.jobs)
        yield from (once_leading(peers, job) for job in part.once_leading)
