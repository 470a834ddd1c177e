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
