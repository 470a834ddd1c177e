"""When a replica begins to belong to those that get requests, and when it ends to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

EVERY_S = 2.0
_KNOWN_EVERY_S = 0.5
"""Time between two looks whether the others know of a new replica."""

logger = logging.getLogger("takt.ray")


async def until_known(
    known: Callable[[], Awaitable[bool]],
    catch_up: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Return once the others tell a new replica what they change; until then it looks by itself.

    Args:
        known: whether each of them would ask this one.
        catch_up: takes what they have changed.
        sleep: waits for some seconds.
    """
    while True:
        try:
            # What changes after this is told, and what has changed before is taken now.
            is_known = await known()
            await catch_up()
        except Exception:
            logger.warning("the other replicas could not be asked yet", exc_info=True)
            is_known = False
        if is_known:
            return
        await sleep(_KNOWN_EVERY_S)


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
