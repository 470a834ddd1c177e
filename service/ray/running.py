"""Whether a replica still belongs to those that get requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

EVERY_S = 2.0


async def until_left_out(
    own: str,
    ask: Callable[[], Awaitable[Collection[str]]],
    matters: Callable[[], object],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Return once a replica is one no more: it is to end as soon as its requests are answered.

    Ray tells a replica nothing before that, and an open stream is a request that nobody ends.

    Args:
        own: name of the replica.
        ask: gives the names of all that get requests.
        matters: whether anything would follow; otherwise nobody is asked.
        sleep: waits for some seconds.
    """
    was_one = False
    while True:
        await sleep(EVERY_S)
        if not matters():
            continue
        try:
            names = await ask()
        except Exception:
            # A replica that has just died, or a controller that is away: nobody knows.
            continue
        if was_one and own not in names:
            return
        was_one = was_one or own in names
