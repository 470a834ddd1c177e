"""Teaches where a part lies: a linear map of gray cells, by made-up movements of good pictures.

The map is ridge regression on `LESSONS` movements of good pictures, a quarter of them none at all.
Each good picture is told by a map of three quarters of them that has not seen it, as a part at the
line is. Of cloth, which looks alike everywhere, the map tells chance, and the facts of the good
pictures show how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.core.pictures.pose import Gray, Pose, PoseMap, standardised

LESSONS = 6_000
STILL = 0.25
"""Share of the lessons that show no movement."""

RANGE = (0.06, 0.06, 5.0, 0.04)
"""Largest shifts as shares of the sides, degrees, and share of the size."""

PENALTY = 0.1
"""Of the squared weights, over the mean of the squares that they meet."""

FOLDS = 4
TINY = 1e-12


@dataclass(frozen=True)
class TaughtPoses:
    """Maps that good pictures teach.

    Attributes:
        all: of all pictures.
        unseen: for each picture one that has not seen it.
    """

    all: PoseMap
    unseen: tuple[PoseMap, ...]


def taught_poses(grays: Sequence[Gray], aspect: float) -> TaughtPoses:
    """Maps for pictures like these.

    Args:
        grays: small gray pictures of good parts, one of each part; at least two.
        aspect: height of the pictures over their width, before they became squares.
    """
    random = np.random.default_rng(1)
    folds = range(min(FOLDS, len(grays)))
    fold = random.permutation(len(grays)) % len(folds)
    lessons = [
        _Lessons.drawn(
            [grays[at] for at in np.flatnonzero(fold == number).tolist()], aspect, random
        )
        for number in folds
    ]
    without = [
        _Lessons.all(lessons[:number] + lessons[number + 1 :]).learned(aspect) for number in folds
    ]
    return TaughtPoses(
        _Lessons.all(lessons).learned(aspect), tuple(without[number] for number in fold)
    )


@dataclass(frozen=True)
class _Lessons:
    """Sums over made-up movements y of pictures with cells x.

    Attributes:
        count: number of movements.
        x, y: their sums, [F] and [4].
        xx, xy: sums of the products, [F,F] and [F,4].
    """

    count: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    xx: NDArray[np.float64]
    xy: NDArray[np.float64]

    @classmethod
    def drawn(cls, grays: Sequence[Gray], aspect: float, random: np.random.Generator) -> _Lessons:
        """A fold's share of the lessons."""
        count = LESSONS // FOLDS
        moves = random.uniform(-1, 1, (count, 4)) * RANGE
        moves[random.uniform(size=count) < STILL] = 0
        chosen = random.integers(len(grays), size=count)
        cells = np.stack(
            [
                standardised(Pose(*move).moved(grays[number], aspect))
                for number, move in zip(chosen, moves.tolist(), strict=True)
            ]
        )
        x = cells.astype(np.float64)
        return cls(count, x.sum(0), moves.sum(0), (cells.T @ cells).astype(np.float64), x.T @ moves)

    @classmethod
    def all(cls, lessons: Sequence[_Lessons]) -> _Lessons:
        """The sums of several."""
        x, y, xx, xy = (
            np.sum([getattr(one, name) for one in lessons], axis=0)
            for name in ("x", "y", "xx", "xy")
        )
        return cls(sum(one.count for one in lessons), x, y, xx, xy)

    def learned(self, aspect: float) -> PoseMap:
        """Ridge regression."""
        x, y = self.x / self.count, self.y / self.count
        xx = self.xx / self.count - np.outer(x, x)
        # Where no cell varies, nothing is told.
        xx[np.diag_indices(len(xx))] += PENALTY * np.trace(xx) / len(xx) + TINY
        weights = np.linalg.solve(xx, self.xy / self.count - np.outer(x, y))
        offset = y - x @ weights
        return PoseMap(weights.astype(np.float32), offset.astype(np.float32), aspect)
