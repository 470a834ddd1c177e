"""What several frames say together: votes of the last n, and scores smoothed over time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MOST_VOTES = 1000
"""Frames that a vote may look back on, at most."""


@dataclass(frozen=True, slots=True)
class VoteRule:
    """Anomalous if at least k of the last n answered frames are; 1 ≤ k ≤ n ≤ MOST_VOTES."""

    k: int
    n: int


@dataclass(frozen=True, slots=True)
class VoteCount:
    """How a vote stands.

    Attributes:
        anomalous: count ≥ k.
        count: anomalous frames among those that were counted.
        of: frames that were counted: the last n, or all while they are fewer.
    """

    anomalous: bool
    count: int
    of: int


class Voting:
    """Counts the anomalous among the last n frames."""

    def __init__(self, rule: VoteRule) -> None:
        self._rule = rule
        self._last: deque[bool] = deque(maxlen=rule.n)
        self._count = 0

    def add(self, anomalous: bool) -> VoteCount:
        """Count one more frame."""
        if len(self._last) == self._rule.n:
            self._count -= self._last[0]
        self._last.append(anomalous)
        self._count += anomalous
        return VoteCount(self._count >= self._rule.k, self._count, len(self._last))


class Smoothing:
    """Exponential smoothing: each score counts with `weight`, what came before with the rest.

    Args:
        weight: over 0, up to 1; at 1 nothing is smoothed.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._smoothed: float | None = None

    def add(self, score: float) -> float:
        """The smoothed score once this one is in; the first is taken as it is."""
        before = score if self._smoothed is None else self._smoothed
        self._smoothed = before + self._weight * (score - before)
        return self._smoothed
