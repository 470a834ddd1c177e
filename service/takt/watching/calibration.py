"""What a model's calibration says of the facts of pictures, made ready for watches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from takt.watching.bands import OF_A_KIND, Band, band_of
from takt.watching.bets import SHIFTS
from takt.watching.evidence import Bets
from takt.watching.kinds import NearestGood

Side = Literal["low", "high"]

PICTURES_BETWEEN: Final = 100_000
"""Mean number of pictures between two false alarms of one watch, at least."""

USUAL_DEFECTS: Final = 0.02
"""Share of a line's pictures that are no good part's, and no reason for an alarm."""

_SCORE: Final = "score"


@dataclass(frozen=True, slots=True)
class FactSide:
    """A side on which a fact may move."""

    fact: str
    side: Side


class CalibratedFacts:
    """The bets that watches of one model make, and how they are weighted.

    Half of the promise is spent on the camera, whose facts are all but the score, and half on
    defects, which raise the score.

    Args:
        facts: names of the columns [d]; the score need not be among them.
        table: facts of the calibration's pictures, one of each part [n, d]; NaN where not known.

    Attributes:
        nearest: tells what is usual for a picture.
        sides: of the facts: those of the camera, then that of the score, if it is known [s].
        limit: evidence at which there is an alarm.
        means: of the facts beside what is usual [d].
        deviations: of the same [d].
        scatters: deviations of the facts themselves [d].
        weights: of each bet in the evidence for the camera and in that for defects [k, 2].
        most: evidence of each bet that is enough for an alarm [k].
    """

    def __init__(self, facts: Sequence[str], table: NDArray[np.float64]) -> None:
        self.facts = tuple(facts)
        self.limit = float(PICTURES_BETWEEN)
        self.pictures = len(table)
        alike = [place for place, fact in enumerate(self.facts) if fact != _SCORE]
        self.nearest = NearestGood(table, alike)
        _, self.scatters = _means_and_deviations(table)
        table = self.nearest.own(table)
        self.means, self.deviations = _means_and_deviations(table)
        wanted = [
            FactSide(fact, side)
            for fact in self.facts
            if fact != _SCORE
            for side in ("low", "high")
        ]
        of_score = [FactSide(_SCORE, "high")] if _SCORE in self.facts else []
        self.bands = len(wanted) + len(of_score)
        sides: list[FactSide] = []
        bands: list[Band] = []
        for one in wanted + of_score:
            sign = _sign(one)
            column = np.asarray(table[:, self.facts.index(one.fact)], np.float64)
            # Defects are a few pictures, of which the wider bound would hide most.
            of_a_kind = 1.0 if one.fact == _SCORE else OF_A_KIND
            band = band_of(sign * column, self.bands, USUAL_DEFECTS, of_a_kind)
            if band is not None:
                sides.append(one)
                bands.append(band)
        self.sides = tuple(sides)
        self.bets = Bets(
            bands, [self.facts.index(one.fact) for one in sides], [_sign(one) for one in sides]
        )
        self.scored = bool(sides) and sides[-1].fact == _SCORE
        self.camera_sides = len(sides) - self.scored
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
            pictures: their facts beside what is usual for them [m, d]; NaN where not known.
        """
        return self.bets.worth(pictures).reshape(len(pictures), -1)

    def side_of(self, bet: int) -> FactSide:
        """The side that a bet of a watch is on."""
        return self.sides[bet // len(SHIFTS)]

    def _weights(self) -> NDArray[np.float64]:
        of_camera, of_score = self.camera_sides * len(SHIFTS), self.scored * len(SHIFTS)
        weights = np.zeros((of_camera + of_score, 2))
        weights[:of_camera, 0] = (0.5 if self.scored else 1) / max(1, of_camera)
        weights[of_camera:, 1] = 0.5 / max(1, of_score)
        return weights

    def _fingerprint(self) -> str:
        found = hashlib.sha256(repr((self.facts, self.limit, self.sides)).encode())
        found.update(self.bets.levels.tobytes())
        found.update(self.bets.table.tobytes())
        return found.hexdigest()


def _sign(one: FactSide) -> float:
    return 1.0 if one.side == "high" else -1.0


def _means_and_deviations(
    table: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the known values of each column; 0 where none is."""
    known = [column[~np.isnan(column)] for column in table.T]
    means = np.array([column.mean() if len(column) else 0.0 for column in known])
    deviations = np.array([column.std() if len(column) else 0.0 for column in known])
    return means, deviations
