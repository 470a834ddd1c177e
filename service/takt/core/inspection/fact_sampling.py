"""Which pictures have their facts told: all of a line, and a sample of what is faster than one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from takt.core.bundles.thresholds import DeployedThresholds
from takt.core.domain import InspectOptions
from takt.core.pictures.facts import Look

TOLD_PER_S: Final = 20.0
"""Pictures a second of one model whose facts are told, however many come."""

MOST_AT_ONCE: Final = 200
"""Pictures whose facts are told that come faster than that for a while."""


class FactSampling:
    """Says which pictures have their facts told; on any thread.

    The watch of a record needs many pictures and not each: of a model that answers more than
    `TOLD_PER_S` for long, a sample is drawn by chance, so that no station of several which take
    turns is left out. Where a picture may be undecided, each is told, as its verdict needs it.
    Where nobody keeps facts, no others are.

    Args:
        look: of good pictures, beside which facts are told.
        thresholds: in force, and whether a picture may be undecided; read for each picture.
        clock: gives seconds that only go on.
        chance: gives a number from 0 to 1.
        kept: whether anybody keeps the facts.
    """

    def __init__(
        self,
        look: Look,
        thresholds: DeployedThresholds,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        *,
        kept: bool = True,
    ) -> None:
        self.look = look
        self._thresholds = thresholds
        self._clock = clock
        self._chance = chance
        self._kept = kept
        # Two threads at once may tell one more, and nothing else is lost.
        self._left = float(MOST_AT_ONCE)
        self._seen_s = clock()

    def look_for(self, options: InspectOptions) -> Look | None:
        """Beside what the facts of the next picture are told; None if they are not."""
        ours = self._thresholds.in_force.undecided
        if ours if options.undecided is None else options.undecided:
            return self.look
        if not self._kept:
            return None
        now_s = self._clock()
        left = min(self._left + (now_s - self._seen_s) * TOLD_PER_S, MOST_AT_ONCE)
        self._seen_s = now_s
        # With a little left for any picture, those that come at even times are drawn by chance.
        told = left >= 1 and (left >= 2 or self._chance() < 0.5)
        self._left = left - 1 if told else left
        return self.look if told else None
