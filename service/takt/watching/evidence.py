"""Evidence that facts have moved, gathered over pictures, with a known rate of false alarms.

Each bet of `bets.py` on a side of a fact has evidence R, which a picture of worth e changes to
(1 + R) e: each picture might be the first after a change, and starts with 1. These are e-detectors
(Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change
detection", arXiv 2203.03532). An average of them, weighted in any way, is one as well; and if an
alarm is raised when it reaches c, false alarms are at least c pictures apart on average, as long as
each picture is, whatever came before it, beyond a level with no more than the bound's probability.

Beside R stands the age of the change, weighted by what each possible beginning contributes to R: as
Bayes has it, if every picture is as likely to be the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.watching.bands import Band
from takt.watching.bets import SHIFTS, worth_of


class Bets:
    """The bets on some sides of facts, and what pictures are worth for them.

    Args:
        bands: of the sides [s].
        facts: the column of each one's fact [s].
        signs: 1 for the upper side of its fact, -1 for the lower one [s].

    Attributes:
        levels: of each side [s, l].
        table: what a picture is worth by the number of levels it is beyond [s, l + 2, bets].
    """

    def __init__(self, bands: Sequence[Band], facts: Sequence[int], signs: Sequence[float]) -> None:
        most = max((len(band.values) for band in bands), default=0)
        self.facts = np.array(facts, np.int64)
        self.signs = np.array(signs, np.float64)
        # What is never passed fills the levels up; the last column is for unknown facts.
        self.levels = np.full((len(bands), most), np.inf)
        self.table = np.full((len(bands), most + 2, len(SHIFTS)), np.nan)
        for place, band in enumerate(bands):
            self.levels[place, : len(band.values)] = band.values
            self.table[place, : len(band.values) + 1] = worth_of(band).T
        self._unknown = most + 1
        self._rows = np.arange(len(bands))

    def worth(self, pictures: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each picture is worth for each bet on each side [m, s, bets]; NaN where not known.

        Args:
            pictures: their facts [m, d]; NaN where one is not known.
        """
        sides = pictures[:, self.facts] * self.signs
        passed = (sides[:, :, None] > self.levels).sum(axis=2)
        passed[np.isnan(sides)] = self._unknown
        found: NDArray[np.float64] = self.table[self._rows, passed]
        return found


@dataclass(slots=True)
class GatheredEvidence:
    """The evidence of all bets, and the ages of what they see, both [k]."""

    strength: NDArray[np.float64]
    age: NDArray[np.float64]

    @classmethod
    def none(cls, bets: int) -> GatheredEvidence:
        """Of a watch that begins."""
        return cls(np.zeros(bets), np.zeros(bets))

    def add(self, worth: NDArray[np.float64], most: NDArray[np.float64]) -> None:
        """Adds a picture.

        Args:
            worth: of the picture for each bet [k]. NaN where its fact is not known, which leaves
                the bet's evidence as it is.
            most: evidence of each bet that is enough for an alarm, beyond which it stays [k].
        """
        strength, age = self.strength, self.age
        known = worth == worth
        age += strength
        if known.all():
            age *= worth
            strength += 1
            strength *= worth
        else:
            np.multiply(age, worth, out=age, where=known)
            np.multiply(strength + 1, worth, out=strength, where=known)
        if (strength > most).any():
            too_much = most / np.maximum(strength, most)
            age *= too_much
            strength *= too_much
