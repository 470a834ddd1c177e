"""What is usual for a picture like this one: the good pictures that are most like it tell.

Good parts may be of several kinds, such as six faces of a die, and a line brings a batch of each.
Against all good pictures a batch looks like a change of the camera: its facts stay at the one end
where its kind is. So a fact is held against that of the nearest good pictures, whose other facts
are most alike. A batch of a kind lies among its own kind, wherever the others are; a lamp that
fades takes a fact away from what the others let expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEAREST: Final = 5
"""Good pictures that tell what is usual for one, by their median."""

_AT_ONCE: Final = 256

_FARTHEST: Final = 1000.0
"""Deviations beyond which a fact is no farther away, so that it hides no other one."""


class NearestGood:
    """The good pictures, and what is usual for pictures like them.

    >>> good = np.array([[10.0, 1, 5], [11, 1, 5], [90, 2, 7], [91, 2, 7]])
    >>> nearest = NearestGood(good, (0, 1, 2), among=2)
    >>> nearest.beside(np.array([[91.5, 2, 7], [60, 2, 7]]))[:, 0].tolist()
    [1.0, -30.5]

    Args:
        table: facts of the good pictures [n, d]; NaN where one is not known.
        alike: columns by which pictures are alike.
        among: number of the nearest ones that tell.
    """

    def __init__(
        self, table: NDArray[np.float64], alike: Sequence[int], among: int = NEAREST
    ) -> None:
        known = ~np.isnan(table)
        middles = [
            np.median(column[there]) if there.any() else np.nan
            for column, there in zip(table.T, known.T, strict=True)
        ]
        self._table = np.where(known, table, middles)
        self._alike = [place for place in alike if known[:, place].any()]
        self._middles = self._table[:, self._alike].mean(axis=0)
        deviations = self._table[:, self._alike].std(axis=0)
        # What is always the same but for its last digits makes no pictures unlike.
        differs = deviations > 1e-6 * (1 + np.abs(self._middles))
        self._scale = np.where(differs, deviations, 1.0)
        self._places = self._placed(table)
        self._among = min(among, len(table) - 1)

    def beside(self, pictures: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much each fact differs from what is usual for such pictures [m, d].

        Args:
            pictures: their facts [m, d]; NaN where one is not known.
        """
        return self._beside(pictures)

    def own(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for the good pictures themselves, each without itself [n, d]."""
        return self._beside(table, without_itself=True)

    def _beside(
        self, pictures: NDArray[np.float64], *, without_itself: bool = False
    ) -> NDArray[np.float64]:
        if self._among < 1:
            return pictures
        found = np.empty_like(pictures)
        own = self._places
        for start in range(0, len(pictures), _AT_ONCE):
            some = pictures[start : start + _AT_ONCE]
            places = self._placed(some)
            squares = (places**2).sum(axis=1)[:, None] + (own**2).sum(axis=1)
            away = squares - 2 * places @ own.T
            for fact in range(pictures.shape[1]):
                by_others = away
                if fact in self._alike:
                    place = self._alike.index(fact)
                    by_others = away - (places[:, place, None] - own[:, place]) ** 2
                if without_itself:
                    by_others = by_others.copy()
                    by_others[np.arange(len(some)), start + np.arange(len(some))] = np.inf
                nearest = np.argpartition(by_others, self._among - 1, axis=1)[:, : self._among]
                usual = np.median(self._table[nearest, fact], axis=1)
                found[start : start + _AT_ONCE, fact] = some[:, fact] - usual
        return found

    def _placed(self, pictures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where pictures lie, in deviations of the good ones; in the middle where not known."""
        found: NDArray[np.float64] = (pictures[:, self._alike] - self._middles) / self._scale
        return np.clip(np.nan_to_num(found), -_FARTHEST, _FARTHEST)
