"""What is said of pictures before and after a teaching, and whether a head pays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.thresholds import ThresholdPair

LEAST_ERRORS = 0.5
"""By how many standard errors of the paired difference a head has to find more."""


@dataclass(frozen=True)
class Verdicts:
    """What a version says of n pictures.

    Attributes:
        score: float32 [n].
        anomalous: [n].
    """

    score: NDArray[np.float32]
    anomalous: NDArray[np.bool_]

    @classmethod
    def at(
        cls, thresholds: ThresholdPair, score: NDArray[np.float32], peak: NDArray[np.float32]
    ) -> Verdicts:
        """The verdicts on scores [n] and the maps' highest values [n]."""
        return cls(score, (score > thresholds.image) | (peak > thresholds.pixel))

    def some(self, chosen: NDArray[np.bool_]) -> Verdicts:
        """Those of some of the pictures."""
        return Verdicts(self.score[chosen], self.anomalous[chosen])

    @property
    def found(self) -> int:
        """Number of the pictures that are rejected."""
        return int(self.anomalous.sum())


@dataclass(frozen=True)
class TurnedVerdicts:
    """What is said of the same n pictures before and after.

    Attributes:
        before: by the version that was taught.
        after: by the new one.
    """

    before: Verdicts
    after: Verdicts

    def compared(self, unseen: NDArray[np.bool_] | None) -> TurnedVerdicts:
        """Those of the pictures that neither was taught with; none where that is not known.

        Args:
            unseen: which pictures the one before was not taught with; the new one never was.
        """
        if unseen is None:
            unseen = np.zeros(len(self.before.score), np.bool_)
        return TurnedVerdicts(*(one.some(unseen) for one in (self.before, self.after)))

    @property
    def rejected(self) -> NDArray[np.intp]:
        """Numbers of the pictures that passed before."""
        return np.flatnonzero(~self.before.anomalous & self.after.anomalous)

    @property
    def accepted(self) -> NDArray[np.intp]:
        """Numbers of the pictures that were rejected before."""
        return np.flatnonzero(self.before.anomalous & ~self.after.anomalous)


@dataclass(frozen=True)
class HeadGain:
    """What a head changes of judged defects, none of which it has seen.

    It takes a part of the false-reject rate from the bank, so that it loses defects, too.

    Attributes:
        won: found by bank and head together, and not by the bank alone.
        lost: found by the bank alone, and not by both together.
        count: how many there are.
    """

    won: int
    lost: int
    count: int

    @classmethod
    def of(cls, together: Verdicts, alone: Verdicts) -> HeadGain:
        """That of n defects.

        Args:
            together: what bank and head say of them, each without having seen it.
            alone: what the bank says of them at its own thresholds.
        """
        turned = TurnedVerdicts(before=alone, after=together)
        return cls(len(turned.rejected), len(turned.accepted), len(alone.anomalous))

    @property
    def net(self) -> int:
        """How many more are found."""
        return self.won - self.lost

    @property
    def pays(self) -> bool:
        """Whether more are found, by more than `LEAST_ERRORS` standard errors of the difference.

        >>> HeadGain(1, 0, 5).pays, HeadGain(1, 1, 5).pays, HeadGain(4, 3, 20).pays
        (True, False, False)
        """
        return self.net > LEAST_ERRORS * math.sqrt(self.won + self.lost)

    def further(self, alike: HeadGain) -> int | None:
        """How many more defects would make it pay, if they come out as some of them did.

        >>> HeadGain(4, 3, 20).further(HeadGain(2, 0, 5))
        1

        Args:
            alike: the gain of those, such as of one kind; None comes of one that gains nothing.
        """
        if alike.net <= 0:
            return None
        more = 0
        while not self.pays_with(more / alike.count, alike):
            more += 1
        return more

    def pays_with(self, times: float, alike: HeadGain) -> bool:
        """Whether it pays with another gain so many times besides."""
        turned = self.won + self.lost + times * (alike.won + alike.lost)
        return self.net + times * alike.net > LEAST_ERRORS * math.sqrt(turned)
