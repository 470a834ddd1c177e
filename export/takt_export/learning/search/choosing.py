"""Which of several tried ways to learn is taken: the default, unless another finds clearly more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt_export.learning.search.bank_choice import BankChoice

STANDARD_ERRORS = 2
"""By so many standard errors of the paired difference another way must find more."""


@dataclass(frozen=True)
class FoundByTrial:
    """What a trial has found, at its own thresholds, of the same pictures as every other trial.

    Attributes:
        made_up: share of the made-up defects that is found, on each altered picture [n]; NaN where
            the picture is rejected as it is, or no defect can be seen on it.
        rejected: which of the altered pictures are rejected as they are [n].
        choosing: which of the given defects that choose are found [m].
        held_out: which of the given defects that choose nothing are found [k].
    """

    made_up: NDArray[np.float64]
    rejected: NDArray[np.bool_]
    choosing: NDArray[np.bool_]
    held_out: NDArray[np.bool_]

    @property
    def units(self) -> NDArray[np.float64]:
        """What chooses: a share of each altered picture, then 0 or 1 of each defect that chooses.

        The defects of one altered picture are found or missed together, and count as one.
        """
        return np.concatenate([self.made_up, self.choosing.astype(np.float64)])


@dataclass(frozen=True)
class Tried:
    """A way to learn that was tried.

    Attributes:
        choice: the way.
        found: what it finds.
        seconds: that it took.
    """

    choice: BankChoice
    found: FoundByTrial
    seconds: float


@dataclass(frozen=True)
class Gain:
    """What a way to learn finds more than another one.

    Attributes:
        share: of what chooses, from -1 to 1.
        error: standard error of that over the pictures; infinite for a single one.
    """

    share: float
    error: float

    @classmethod
    def of(cls, one: FoundByTrial, other: FoundByTrial) -> Gain:
        """What `one` finds more than `other`, picture by picture, of those that both let pass.

        >>> none = np.zeros(0, np.bool_)
        >>> shares = np.array([1.0, 0.5, 0.5]), np.array([0.5, 0.5, np.nan])
        >>> Gain.of(*(FoundByTrial(made_up, none, none, none) for made_up in shares))
        Gain(share=0.25, error=0.25)
        """
        differences = one.units - other.units
        differences = differences[np.isfinite(differences)]
        count = len(differences)
        error = float(differences.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
        return cls(float(differences.mean()) if count else 0.0, error)

    @property
    def is_clear(self) -> bool:
        """Whether it is more by `STANDARD_ERRORS`."""
        return self.share > 0 and self.share >= STANDARD_ERRORS * self.error

    @property
    def text(self) -> str:
        """In points, with the standard error."""
        return f"{100 * self.share:+.1f} points, standard error {100 * self.error:.1f}"


def taken_of(tried: Sequence[Tried]) -> Tried:
    """The first one, the default, unless others find clearly more; of these the best.

    Args:
        tried: at least the default.
    """
    default = tried[0]
    gains = [(Gain.of(one.found, default.found), one) for one in tried[1:]]
    clear = [(gain.share, one) for gain, one in gains if gain.is_clear]
    return max(clear, key=lambda pair: pair[0])[1] if clear else default
