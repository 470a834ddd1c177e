"""Answers that wait until the record has them on the disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from takt.core.errors import RecordError

LONGEST_S = 5.0
"""Longest wait of an answer for its commit, whatever its request allows."""


class Commit:
    """One answer's wait; made on the event loop, and settled by the thread that stores.

    Attributes:
        withdrawn: whether nobody waits any more, so that it is not to be stored either.
    """

    def __init__(self) -> None:
        self.withdrawn = False
        self._loop = asyncio.get_running_loop()
        self._settled: asyncio.Future[str | None] = self._loop.create_future()

    def settle(self, failure: str | None = None) -> None:
        """Say that it is stored, or why it is not; any thread may call it."""
        # A loop that has ended has nobody who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, failure)

    async def wait(self) -> None:
        """Wait until it is stored; several may.

        Raises:
            RecordError: it is not.
        """
        if (failure := await asyncio.shield(self._settled)) is not None:
            raise not_stored(failure)

    def _settle(self, failure: str | None) -> None:
        if not self._settled.done():
            self._settled.set_result(failure)


async def all_stored(commits: Sequence[Commit], within_s: float) -> None:
    """Wait until all are stored; what is not by then is withdrawn.

    What is being stored at that very moment may be found in the record all the same.

    Args:
        commits: of the answers.
        within_s: longest wait.

    Raises:
        RecordError: one is not.
    """
    try:
        async with asyncio.timeout(within_s):
            for one in commits:
                await one.wait()
    except TimeoutError:
        raise not_stored(f"it was not committed within {max(0.0, within_s):.1f} s") from None
    finally:
        for one in commits:
            one.withdrawn = True


def not_stored(why: str) -> RecordError:
    """What a caller is told whose answer is withheld."""
    return RecordError(
        f"the inspection is not in the record, and so has no answer; send it again: {why}"
    )
