"""What a model's calibration says of the facts of pictures, made ready for watches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from service.watching.bands import Band, band_of
from service.watching.bets import SHIFTS
from service.watching.evidence import Bets

Side = Literal["low", "high"]

PICTURES_BETWEEN: Final = 100_000
"""Mean number of pictures between two false alarms of one watch, at least."""

USUAL_DEFECTS: Final = 0.02
"""Share of a line's pictures that are no good part's, and no reason for an alarm."""


@dataclass(frozen=True, slots=True)
class FactSide:
    """A side on which a fact may move."""

    fact: str
    side: Side


class CalibratedFacts:
    """The bets that watches of one model make, and how they are weighted.

    Half of the promise is spent on the camera, whose facts are all but the score, and half on
    defects, which raise the score. The camera's half is spent twice: once on all pictures, and once
    on those alone whose score is like the calibration's (`calm`), of which defects are none.

    Args:
        facts: names of the columns [d].
        table: facts of the calibration's pictures, one of each part [n, d]; NaN where not known.
        score: the name of the score, which need not be among the facts.
        pictures_between: mean number of pictures between two false alarms, at least.
        usual_defects: share of the pictures that may be defects without an alarm.

    Attributes:
        sides: of the facts: those of the camera, then that of the score, if it is known [s].
        limit: evidence at which there is an alarm.
        means: of the facts [d].
    """

    def __init__(
        self,
        facts: Sequence[str],
        table: NDArray[np.float64],
        *,
        score: str = "score",
        pictures_between: float = PICTURES_BETWEEN,
        usual_defects: float = USUAL_DEFECTS,
    ) -> None:
        self.facts = tuple(facts)
        self.limit = float(pictures_between)
        self.usual_defects = usual_defects
        self.pictures = len(table)
        known = ~np.isnan(table)
        self.means = np.where(known, table, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        wanted = [
            FactSide(fact, side) for fact in self.facts if fact != score for side in ("low", "high")
        ]
        of_score = [FactSide(score, "high")] if score in self.facts else []
        self.bands = len(wanted) + len(of_score)
        sides: list[FactSide] = []
        bands: list[Band] = []
        for one in wanted + of_score:
            sign = _sign(one)
            column = np.asarray(table[:, self.facts.index(one.fact)], np.float64)
            band = band_of(sign * column, self.bands, usual_defects)
            if band is not None:
                sides.append(one)
                bands.append(band)
        self.sides = tuple(sides)
        self.bets = Bets(
            bands, [self.facts.index(one.fact) for one in sides], [_sign(one) for one in sides]
        )
        self.scored = bool(sides) and sides[-1].fact == score
        self.camera_sides = len(sides) - self.scored
        self._score = self.facts.index(score) if self.scored else -1
        self._highest_usual = float(bands[-1].values[-1]) if self.scored else np.inf
        self._calming = self._calming_of(bands)
        self.weights = self._weights()
        self.most = 2 * self.limit / self.weights.sum(axis=1)
        self.fingerprint = self._fingerprint()

    @property
    def size(self) -> int:
        """Number of bets of a watch."""
        return len(self.weights)

    def worth(self, pictures: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each picture is worth for each bet of a watch [m, k].

        Args:
            pictures: their facts [m, d]; NaN where one is not known.
        """
        worth = self.bets.worth(pictures)
        every = worth.reshape(len(pictures), -1)
        if not self.scored:
            return every
        suspicious = pictures[:, self._score] > self._highest_usual
        of_camera = worth[:, : self.camera_sides].reshape(len(pictures), -1)
        calm = np.where(suspicious[:, None], 1.0, of_camera) / self._calming
        return np.concatenate([of_camera, calm, every[:, of_camera.shape[1] :]], axis=1)

    def side_of(self, bet: int) -> FactSide:
        """The side that a bet of a watch is on."""
        of_camera = self.camera_sides * len(SHIFTS)
        if bet >= of_camera and self.scored:
            bet -= of_camera
        return self.sides[bet // len(SHIFTS)]

    def _calming_of(self, bands: Sequence[Band]) -> NDArray[np.float64]:
        """How much more than 1 a camera's bet may be worth on average without suspicious pictures.

        Leaving out pictures that are worth less than 1 favours the bet, by no more than their
        share times what the least worth is below 1.
        """
        if not self.scored:
            return np.ones(0)
        least = self.bets.least_worth[: self.camera_sides].ravel()
        found: NDArray[np.float64] = 1 + float(bands[-1].most[-1]) * (1 - least)
        return found

    def _weights(self) -> NDArray[np.float64]:
        """Of each bet in each of `plain`, `calm` and `defects` [k, 3]."""
        of_camera, of_score = self.camera_sides * len(SHIFTS), self.scored * len(SHIFTS)
        if not self.scored:
            weights = np.zeros((of_camera, 3))
            weights[:, 0] = 1 / max(1, of_camera)
            return weights
        weights = np.zeros((2 * of_camera + of_score, 3))
        weights[:of_camera, 0] = 0.25 / max(1, of_camera)
        weights[of_camera : 2 * of_camera, 1] = 0.25 / max(1, of_camera)
        weights[2 * of_camera :, 2] = 0.5 / of_score
        return weights

    def _fingerprint(self) -> str:
        found = hashlib.sha256(repr((self.facts, self.limit, self.sides)).encode())
        found.update(self.bets.levels.tobytes())
        found.update(self.bets.table.tobytes())
        return found.hexdigest()


def _sign(one: FactSide) -> float:
    return 1.0 if one.side == "high" else -1.0
