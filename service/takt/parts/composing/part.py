"""What a part of a server is: what it adds, and what it does from the start to the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI

from takt.api.pages import PageHeaders
from takt.security.routes import RouteNeed

Job = Callable[[], Coroutine[Any, Any, None]]
"""Runs on the event loop until it is done, or is cancelled at the end."""

Left = Callable[[], float]
"""Gives the seconds that are left for the end; whoever asks first begins them."""


async def _nothing(*_: object) -> None:
    """Nothing has to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPart:
    """One thing that a server has besides the inspection itself.

    To write one, make a module in `takt/parts` with a function that makes it of the server's
    foundation, and name that function in the list of `takt/app.py`:

    >>> def greeting_part(foundation: object) -> ServerPart:
    ...     router = APIRouter()
    ...
    ...     @router.get("/v1/greeting")
    ...     async def greet() -> str:
    ...         return "hello"
    ...
    ...     async def close(left_s: Left) -> None:
    ...         print(f"a good end within {left_s():.0f} s")
    ...
    ...     needs = (RouteNeed("GET", "/v1/greeting", "read"),)
    ...     return ServerPart(name="greeting", routers=(router,), needs=needs, close=close)
    >>> import asyncio
    >>> asyncio.run(greeting_part(None).close(lambda: 5.0))
    a good end within 5 s

    Parts begin in the order of the list, and end in the opposite one, in two rounds: first each
    closes, which ends what it does, and then each releases what the others may need to their end.
    One that has not begun is not ended.

    Attributes:
        name: tells it from the others.
        routers: its routes.
        needs: what callers need for each of them that the table in `security/routes.py` lacks; a
            route of which neither says it is refused.
        pages: adds pages for people, and gives their headers by the beginning of their paths.
        begin: done before anything is answered, while no job runs yet.
        jobs: run from the start.
        once_leading: jobs that only one process of a server does, once this one leads.
        close: ends what it does; whatever began before it still works.
        release: gives up what others may have used until they were closed.
    """

    name: str
    routers: Sequence[APIRouter] = ()
    needs: Sequence[RouteNeed] = ()
    pages: Callable[[FastAPI], PageHeaders] | None = None
    begin: Callable[[], Awaitable[None]] = _nothing
    jobs: Sequence[Job] = ()
    once_leading: Sequence[Job] = ()
    close: Callable[[Left], Awaitable[None]] = _nothing
    release: Callable[[Left], Awaitable[None]] = _nothing
