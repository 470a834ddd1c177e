"""What a bundle says of the pictures that it was calibrated on, ready for the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.conformal import conformal_rank, needed_for
from takt.core.bundles.manifest import Promise
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.pictures.facts import FACT_NAMES, FACTS
from takt.core.pictures.good_facts import GoodFacts
from takt.watching.calibration import CalibratedFacts
from takt.watching.least import LeastShift, least_shift
from takt.watching.promise import promised_share

WATCHED = tuple(fact.name for fact in FACTS if fact.of_picture or fact.name == "score")
"""The facts that a watch goes by. What the map says on average, the score says better."""

_COLUMNS = [FACT_NAMES.index(name) for name in WATCHED]


@dataclass(frozen=True)
class KnownBundle:
    """What the watch knows of a bundle.

    Attributes:
        facts: of the good pictures; None where the bundle has none.
        calibration: the same, ready for the tests; None where the bundle has none.
        thresholds: the bundle's own.
        alpha: share of good parts that these were found for; None for none.
        promise: what alpha is.
        promised: share of good parts that these reject in one honest model of twenty at most; None
            where they were found for none.
    """

    facts: GoodFacts | None
    calibration: CalibratedFacts | None
    thresholds: ThresholdPair
    alpha: float | None
    promise: Promise
    promised: float | None

    @cached_property
    def least_shift(self) -> LeastShift | None:
        """The least change of a fact that is found in time; None where nothing would be."""
        return None if self.calibration is None else least_shift(self.calibration)

    @classmethod
    def of(cls, bundle: Bundle) -> KnownBundle:
        """What a bundle says."""
        facts = GoodFacts.of(bundle.calibration)
        own = bundle.manifest.thresholds
        promised = None
        if own.alpha and needed_for(own.alpha) <= own.good_count:
            rank = conformal_rank(own.good_count, own.alpha)
            promised = promised_share(own.good_count, rank)
        return cls(
            facts,
            None if facts is None else CalibratedFacts(WATCHED, watched_of(facts.table)),
            ThresholdPair(own.image, own.pixel),
            own.alpha,
            own.promise,
            promised,
        )


KnownOf = Callable[[str, str, str], KnownBundle | None]
"""Gives what is known of a bundle by model, version and digest; None where it is not here."""


def watched_of(table: NDArray[np.float32]) -> NDArray[np.float64]:
    """The columns that a watch goes by of facts [n, facts], as float64 [n, watched]."""
    return table[:, _COLUMNS].astype(np.float64)


def stored_facts(data: bytes) -> NDArray[np.float32]:
    """The facts of a row of the record, float32 [facts]; NaN for those that it lacks.

    >>> float(stored_facts(b"")[0])
    nan
    """
    found = np.full(len(FACT_NAMES), np.nan, np.float32)
    values = np.frombuffer(data, "<f4")[: len(found)]
    found[: len(values)] = values
    return found
