"""An event loop whose time passes at once: hours of a plant in seconds, and the same each time."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")


_TURN_S: Final = 1e-9
"""Time that each turn of the loop takes: it goes on, however early a timer may call."""


class _AtOnce(selectors.SelectSelector):
    """Lets time pass instead of waiting."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None:
            # Nobody outside is talked to, so the system need not be asked at each turn.
            self.passed_s += timeout if timeout > _TURN_S else _TURN_S
            return []
        ready = super().select(0)
        if not ready:
            raise RuntimeError("everybody waits, and for nothing that time brings")
        self.passed_s += _TURN_S
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on which a wait takes no time; only for what talks to nobody outside.

    >>> async def wait_for_a_day() -> float:
    ...     await asyncio.sleep(86_400)
    ...     return round(asyncio.get_running_loop().time(), 3)
    >>> run_virtual(wait_for_a_day())
    86400.0
    """

    def __init__(self) -> None:
        self._at_once = _AtOnce()
        super().__init__(self._at_once)

    def quiet_until_s(self) -> float:
        """When somebody acts next: now, or when the next timer calls; infinity for never.

        Whoever acts now sees by this that nothing changes before, but by its own doing.
        """
        # asyncio has no public way to know these.
        if self._ready:  # type: ignore[attr-defined]
            return self.time()
        timers = self._scheduled  # type: ignore[attr-defined]
        return timers[0].when() if timers else math.inf

    def time(self) -> float:
        """Seconds that have passed on this loop."""
        return self._at_once.passed_s


def run_virtual(work: Coroutine[Any, Any, T]) -> T:
    """Run something to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
