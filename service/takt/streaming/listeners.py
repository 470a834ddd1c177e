"""Those who hear events over HTTP: bounded in number, and sent elsewhere when the server ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from takt.core.errors import NotReadyError, UnavailableError
from takt.peers import Alone, Peers

MOST_LISTENERS = 32
"""Most who hear events at the same time, over all workers."""


class Listener:
    """One who hears events, until its connection, its key or the server ends.

    >>> async def end_early() -> None:
    ...     listener = Listener()
    ...     listener.end()
    ...     await listener.wait(60.0)
    ...     print(listener.ended)
    >>> asyncio.run(end_early())
    True
    """

    def __init__(self) -> None:
        self._end = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether it is to hear no more."""
        return self._end.is_set()

    def end(self) -> None:
        """Tell it no more."""
        self._end.set()

    async def wait(self, seconds: float) -> None:
        """Wait so long, or until it is to hear no more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._end.wait()


class Listeners:
    """All who hear events of this process.

    >>> async def hear() -> None:
    ...     listeners = Listeners()
    ...     with listeners.join() as listener:
    ...         listeners.close()
    ...         print(listener.ended)
    >>> asyncio.run(hear())
    True

    Args:
        peers: the other processes of the server, of which the bound is as well.
    """

    def __init__(self, peers: Peers | None = None) -> None:
        self._counts = (Alone() if peers is None else peers).counts
        self._listeners: set[Listener] = set()
        self._closing = False

    def __len__(self) -> int:
        """How many hear events of this process."""
        return len(self._listeners)

    @contextlib.contextmanager
    def join(self) -> Iterator[Listener]:
        """One more, for as long as the block lasts.

        Raises:
            UnavailableError: as many hear events as may.
            NotReadyError: the server is closing.
        """
        if self._closing:
            raise NotReadyError("the server is closing; ask another one, or this one again soon")
        if (count := self._counts.total("listeners")) >= MOST_LISTENERS:
            raise UnavailableError(
                f"{count} programs hear events already; end one, or ask for JSON now and then"
            )
        listener = Listener()
        self._listeners.add(listener)
        self._counts.add("listeners", 1)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._counts.add("listeners", -1)

    def close(self) -> None:
        """Take nobody any more, and end all there are."""
        self._closing = True
        for listener in self._listeners:
            listener.end()
