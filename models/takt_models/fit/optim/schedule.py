"""The number of steps of a fit: a given one, or as many as a time allows, fewer on a plateau."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

WARM_UP_STEPS = 4
"""Steps that do not count for the pace: they claim memory and choose kernels."""

PACE_STEPS = 24
"""Steps after which the pace is known."""

MARGIN = 0.93
"""Share of the time that is planned for steps; looks at held-out pictures take the rest."""

UNKNOWN = 1_000_000_000
MOST_STEPS = 70_000
"""Largest number of steps that a time gives; the paper's number."""

PATIENCE = 4
"""Looks in a row without a gain that make a plateau."""

LEAST_GAIN = 0.005
"""Smallest gain that counts, over the best value so far."""


class Schedule:
    """The number of steps, which may become smaller while a fit runs; resumable.

    Until the pace is known, `steps` is a number that no fit reaches, so that every value that
    depends on the share of steps done is at its start.

    Args:
        steps: number of steps, which stays; None for as many as `minutes` allow.
        minutes: time from the making of the schedule to the last step.
        free_share: share of the steps after which the learning rate falls, and a plateau no longer
            shortens the fit.
        clock: function that tells the time in seconds.

    >>> now_s = 0.0
    >>> schedule = Schedule(None, minutes=10, free_share=0.4, clock=lambda: now_s)
    >>> for done in range(1, PACE_STEPS + 1):
    ...     now_s += 1.0
    ...     schedule.tick(done)
    >>> schedule.steps
    558
    """

    def __init__(
        self,
        steps: int | None,
        minutes: float,
        free_share: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.steps = UNKNOWN if steps is None else steps
        self._given = steps is not None
        self._free_share = free_share
        self._clock = clock
        self._end_s = clock() + 60 * MARGIN * minutes
        self._ticks = 0
        self._warm: tuple[int, float] | None = None
        self._best = float("inf")
        self._without_gain = 0

    def tick(self, done: int) -> None:
        """Notes that `done` steps have been taken; a fit calls it after each step.

        The first steps give the pace.
        """
        if self.steps != UNKNOWN:
            return
        now_s = self._clock()
        if self._warm is None:
            # Counted here, because the first steps after a resume are slow, too.
            self._ticks += 1
            if self._ticks == WARM_UP_STEPS:
                self._warm = (done, now_s)
            return
        warm_done, warm_s = self._warm
        taken = done - warm_done
        if taken >= PACE_STEPS - WARM_UP_STEPS:
            pace_s = max((now_s - warm_s) / taken, 1e-9)
            left = int((self._end_s - now_s) / pace_s)
            self.steps = max(done + 1, min(MOST_STEPS, done + left))

    def look(self, done: int, held_out: float) -> None:
        """Notes the loss on held-out pictures; on a plateau the learning rate falls at once."""
        if self._given or done >= self._free_share * self.steps:
            return
        if held_out < (1 - LEAST_GAIN) * self._best:
            self._best = held_out
            self._without_gain = 0
            return
        self._without_gain += 1
        if self._without_gain >= PATIENCE:
            self.steps = min(self.steps, int(done / self._free_share))

    def state_dict(self) -> dict[str, Any]:
        """The number of steps and the results of the last looks."""
        return {"steps": self.steps, "best": self._best, "without_gain": self._without_gain}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Restores the number of steps that was found before."""
        self.steps = state_dict["steps"]
        self._best = state_dict["best"]
        self._without_gain = state_dict["without_gain"]
