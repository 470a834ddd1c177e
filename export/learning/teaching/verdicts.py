"""What is said of pictures before and after a teaching, and when that costs more than it finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.bundles.thresholds import ThresholdPair


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


def costs_more(together: Verdicts, alone: Verdicts) -> bool:
    """Whether what judged defects teach costs more than it finds, as far as these tell.

    A head takes a part of the false-reject rate from the bank. Where the bank misses none of the
    judged defects, there is nothing to be found for that.

    Args:
        together: what bank and head say of the judged defects, each without having seen it.
        alone: what the bank says of them at its own thresholds.
    """
    return bool(alone.anomalous.all()) or together.found < alone.found
