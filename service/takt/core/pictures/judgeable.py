"""Whether a picture can be judged at all, told by facts that lie far beyond those of good ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.core.domain import FactName, FactVector, Reason
from takt.core.pictures.facts import FACT_NAMES
from takt.core.pictures.good_facts import LEAST, GoodFacts

MARGIN = 5.0
"""How far beyond the calibration's extremes a limit lies, in spreads.

Chosen over ten sets of pictures by `python -m benchmarks.drift.undecided`: the least of its grid at
which no set has more than one in a hundred of its real defects undecided.
"""

_NORMAL = 1.349
"""Range of the middle half of normally distributed values, in standard deviations."""

_MARGIN_BORNE = 1.0
"""How far beyond what a model bears a limit lies, in spreads."""

_BRIGHTNESS = FACT_NAMES.index("brightness")
_MATCH, _LIKENESS_AT = FACT_NAMES.index("match"), FACT_NAMES.index("likeness")

_LEAST_MATCH = 0.05
"""Share of the good pictures that match the mean one less than a moved part has to."""

_MOST_LIKE = 0.995
"""Correlation above which pictures are equally like the mean one."""


@dataclass(frozen=True, slots=True)
class FactScale:
    """A scale on which equal steps of a fact count the same, and the way back.

    Attributes:
        to: the scale.
        back: to the fact's own unit.
    """

    to: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    back: Callable[[float], float]


def _odds(low: float, high: float) -> FactScale:
    """For shares: from 1 to 2 per cent counts as much as from 98 to 99."""

    def to(values: NDArray[np.float64]) -> NDArray[np.float64]:
        share = (values - low) / (high - low)
        return np.log(share / (1 - share))

    return FactScale(to, lambda at: low + (high - low) / (1 + math.exp(-at)))


_EVEN = FactScale(lambda values: values, lambda at: at)
_FACTOR = FactScale(lambda values: np.log(np.maximum(values, 1.0)), math.exp)
_LIKENESS = FactScale(
    lambda values: np.arctanh(np.clip(values, -_MOST_LIKE, _MOST_LIKE)), math.tanh
)
_PER_CENT = _odds(-0.5, 100.5)


@dataclass(frozen=True, slots=True)
class Decider:
    """A fact that may say that a picture cannot be judged.

    Attributes:
        scale: on which it is compared.
        spread: least that counts as its spread, on the scale: a defect, however large, moves the
            fact by less than `MARGIN` of them.
        too_low: what a value below its limit says of the picture, or of the part, which may show
            the value without its sign.
        too_high: what a value above its limit says; None where none is too high.
        of_place: whether it tells where the part lies. It counts only where the part, moved back,
            is as like the mean picture as good parts are, and more than where it lies: that is
            another place for sure, and no defect.
    """

    scale: FactScale
    spread: float
    too_low: str
    too_high: str | None
    of_place: bool = False


DECIDERS: dict[FactName, Decider] = {
    "brightness": Decider(_odds(-4, 259), 0.25, "too dark", "too bright"),
    "contrast": Decider(_FACTOR, 0.125, "too even", "too harsh"),
    "sharpness": Decider(_EVEN, 0.1, "too blurred", "too rich in detail"),
    "noise": Decider(_EVEN, 0.25, "too blurred", "too noisy"),
    "saturation": Decider(_EVEN, 5.0, "too pale", "too colourful"),
    "warmth": Decider(_EVEN, 5.0, "too blue", "too red"),
    "tint": Decider(_EVEN, 5.0, "too purple", "too green"),
    "dark": Decider(_PER_CENT, 0.4, "not black where it should be", "black in too many places"),
    "bright": Decider(
        _PER_CENT, 0.4, "not white where it should be", "burnt out in too many places"
    ),
    "likeness": Decider(_LIKENESS, 0.1, "unlike good parts", None),
    "texture": Decider(_EVEN, 0.1, "covered or empty in too many places", "too restless"),
    "shift_x": Decider(
        _EVEN, 1.0, "lies {:.3g} % to the left", "lies {:.3g} % to the right", of_place=True
    ),
    "shift_y": Decider(
        _EVEN, 1.0, "lies {:.3g} % too high", "lies {:.3g} % too low", of_place=True
    ),
    "turn": Decider(
        _EVEN,
        1.0,
        "is turned by {:.3g}° clockwise",
        "is turned by {:.3g}° against the clock",
        of_place=True,
    ),
    "size": Decider(_EVEN, 1.0, "is {:.3g} % smaller", "is {:.3g} % larger", of_place=True),
}
"""The facts that may decide.

Score, level of the map and largest spot are not among them, as a real defect raises them; nor is
the aspect, of which the answer's warnings tell.
"""


_PLACES = frozenset(FACT_NAMES.index(name) for name, one in DECIDERS.items() if one.of_place)


@dataclass(frozen=True)
class FactLimits:
    """Between which values facts have to lie for a picture to be judged.

    >>> table = np.full((20, len(FACT_NAMES)), np.nan, np.float32)
    >>> table[:, 0] = np.linspace(100, 110, 20)
    >>> limits = FactLimits.beyond(table)
    >>> picture = np.full(len(FACT_NAMES), np.nan, np.float32)
    >>> picture[0] = 2
    >>> limits.reason(picture).text
    'the picture is too dark: its brightness is 2, and at least 37.5 is usual'

    Attributes:
        low: least values [facts]; -infinity where none is too low.
        high: largest values [facts]; infinity where none is too high.
        spread: what counts as a spread of each fact [facts], on its scale.
        match: least correlation with the mean picture of a part that is moved back; infinity where
            good pictures do not tell.
    """

    low: FactVector
    high: FactVector
    spread: NDArray[np.float64]
    match: float = math.inf

    @classmethod
    def of(cls, good: GoodFacts) -> FactLimits:
        """Limits beyond good pictures, and beyond what the model bears of moved ones."""
        return cls.beyond(good.table, borne=good.borne)

    @classmethod
    def beyond(
        cls,
        table: NDArray[np.float32],
        margin: float = MARGIN,
        borne: NDArray[np.float32] | None = None,
    ) -> FactLimits:
        """Limits beyond the extremes of good pictures.

        Args:
            table: their facts, float32 [n, facts]; NaN where one is unknown.
            margin: in spreads.
            borne: facts of good pictures that were moved by what the model bears, float32
                [b, facts]; what is like one of them is judged.
        """
        low = np.full(len(FACT_NAMES), -np.inf, np.float32)
        high = np.full(len(FACT_NAMES), np.inf, np.float32)
        spread = np.ones(len(FACT_NAMES))
        for name, decider in DECIDERS.items():
            at = FACT_NAMES.index(name)
            known = _known(table, at, decider.scale)
            if len(known) < LEAST:
                continue
            first, third = np.percentile(known, (25, 75))
            spread[at] = max((third - first) / _NORMAL, decider.spread)
            least = known.min() - margin * spread[at]
            most = known.max() + margin * spread[at]
            moved = _known(table[:0] if borne is None else borne, at, decider.scale)
            if len(moved):
                least = min(least, moved.min() - _MARGIN_BORNE * spread[at])
                most = max(most, moved.max() + _MARGIN_BORNE * spread[at])
            low[at] = decider.scale.back(least)
            if decider.too_high is not None:
                high[at] = decider.scale.back(most)
        matches = table[:, _MATCH][np.isfinite(table[:, _MATCH])]
        match = float(np.quantile(matches, _LEAST_MATCH)) if len(matches) >= LEAST else math.inf
        return cls(low, high, spread, match)

    def reason(self, facts: FactVector) -> Reason | None:
        """Why a picture with these facts cannot be judged; None if it can.

        The reason is the brightness or the place, which move the other facts with them, or else the
        fact that lies farthest beyond its limit, in spreads. A fact that is not known never
        decides.
        """
        beyond = np.flatnonzero((facts < self.low) | (facts > self.high)).tolist()
        placed = self.match <= facts[_MATCH] > facts[_LIKENESS_AT]
        places = [at for at in beyond if at in _PLACES]
        others = [at for at in beyond if at not in _PLACES]
        if _BRIGHTNESS in others:
            return self._reason(facts, _BRIGHTNESS)
        # Where the part lies elsewhere for sure, that is why other facts are unusual.
        decide = places if placed and places else others
        if not decide:
            return None
        return self._reason(facts, max(decide, key=lambda at: self._excess(facts, at)))

    def _excess(self, facts: FactVector, at: int) -> float:
        scale = DECIDERS[FACT_NAMES[at]].scale
        limit = max(self.low[at], min(self.high[at], facts[at]))
        value, bound = scale.to(np.array((facts[at], limit), np.float64))
        return float(abs(value - bound) / self.spread[at])

    def _reason(self, facts: FactVector, at: int) -> Reason:
        name = FACT_NAMES[at]
        value, low, high = float(facts[at]), float(self.low[at]), float(self.high[at])
        decider = DECIDERS[name]
        what, usual = decider.too_low, f"at least {low:.3g}"
        if value > high:
            what, usual = decider.too_high or "", f"at most {high:.3g}"
        what = f"{'the part' if decider.of_place else 'the picture is'} {what.format(abs(value))}"
        return Reason(
            fact=name,
            value=value,
            low=low,
            high=high if math.isfinite(high) else None,
            text=f"{what}: its {name} is {value:.3g}, and {usual} is usual",
        )


def _known(table: NDArray[np.float32], at: int, scale: FactScale) -> NDArray[np.float64]:
    """The values of a fact that are known, on its scale."""
    values = table[:, at].astype(np.float64)
    return scale.to(values[np.isfinite(values)])
