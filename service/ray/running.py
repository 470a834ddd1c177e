"""Whether a replica still belongs to those that get requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

EVERY_S = 2.0
_WITHIN_S = 5.0


class Names(Protocol):
    """What Ray returns at once, where all replicas that get requests are asked for their names."""

    def results_async(
        self, *, timeout_s: float | None = None, return_exceptions: bool = False
    ) -> Awaitable[list[str]]:
        """Waits for all of them."""


async def until_left_out(
    own: str,
    ask: Callable[[], Names],
    matters: Callable[[], object],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Return once a replica is one no more: it is to end as soon as its requests are answered.

    Ray tells a replica nothing before that, and an open stream is a request that nobody ends.

    Args:
        own: name of the replica.
        ask: asks all.
        matters: whether anything would follow; otherwise nobody is asked.
        sleep: waits for some seconds.
    """
    was_one = False
    while True:
        await sleep(EVERY_S)
        if not matters():
            continue
        try:
            names = await ask().results_async(timeout_s=_WITHIN_S)
        except Exception:
            # A replica that has just died, or a controller that is away: nobody knows.
            continue
        if was_one and own not in names:
            return
        was_one = was_one or own in names
