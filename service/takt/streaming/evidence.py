"""Evidence of several frames: votes of the last n, and scores smoothed over time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MOST_VOTES = 1000
"""Most frames that a vote may count."""


@dataclass(frozen=True, slots=True)
class VotingRule:
    """Anomalous if at least k of the last n answered frames are; 1 ≤ k ≤ n ≤ MOST_VOTES."""

    k: int
    n: int


@dataclass(frozen=True, slots=True)
class VoteCount:
    """The state of a vote.

    Attributes:
        anomalous: count ≥ k.
        count: anomalous frames among the last ones; those that cannot be judged count, too.
        of: the last frames: n, or all while they are fewer.
        undecided: those of them that cannot be judged.
    """

    anomalous: bool
    count: int
    of: int
    undecided: int = 0


class Voting:
    """Counts the anomalous among the last n frames.

    >>> voting = Voting(VotingRule(k=2, n=3))
    >>> [voting.add(anomalous).anomalous for anomalous in (True, False, True, False, False)]
    [False, False, True, False, False]
    """

    def __init__(self, rule: VotingRule) -> None:
        self._rule = rule
        self._last: deque[tuple[bool, bool]] = deque(maxlen=rule.n)
        self._count = self._undecided = 0

    def add(self, anomalous: bool, *, undecided: bool = False) -> VoteCount:
        """Count one more frame.

        Args:
            anomalous: whether it is rejected.
            undecided: whether it cannot be judged.
        """
        if len(self._last) == self._rule.n:
            was_anomalous, was_undecided = self._last[0]
            self._count -= was_anomalous
            self._undecided -= was_undecided
        self._last.append((anomalous, undecided))
        self._count += anomalous
        self._undecided += undecided
        return VoteCount(self._count >= self._rule.k, self._count, len(self._last), self._undecided)


class Smoothing:
    """Exponential smoothing: each score counts with `weight`, those before it with the rest.

    >>> smoothing = Smoothing(weight=0.25)
    >>> [smoothing.add(score) for score in (1.0, 0.0, 0.0)]
    [1.0, 0.75, 0.5625]

    Args:
        weight: over 0, up to 1; at 1 nothing is smoothed.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._smoothed: float | None = None

    def add(self, score: float) -> float:
        """Add a score and return the smoothed one; the first is taken as it is."""
        before = score if self._smoothed is None else self._smoothed
        self._smoothed = before + self._weight * (score - before)
        return self._smoothed
