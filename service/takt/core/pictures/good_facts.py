"""The facts of the good pictures that a model was calibrated on, as its bundle keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import Calibration
from takt.core.pictures.facts import FACT_NAMES, Look
from takt.core.pictures.pose import SEEN, PoseMap

MOST = 1024
"""Most pictures whose facts a bundle keeps: more tell little more of the distributions."""

LEAST = 20
"""Fewest pictures that say what is usual."""


def knows_good_facts(calibration: Calibration) -> bool:
    """Whether a calibration has the facts of good pictures; one from before them has not."""
    return len(calibration.facts) >= LEAST


@dataclass(frozen=True)
class GoodFacts:
    """The facts of good pictures, each without the picture itself among what it is compared with.

    Attributes:
        table: float32 [n, facts], in the order of `FACTS`; NaN where a fact is unknown.
        look: of all of the pictures.
        borne: facts of some that were moved by what the model bears, float32 [b, facts]; the model
            judges these as well as the others.
    """

    table: NDArray[np.float32]
    look: Look
    borne: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, len(FACT_NAMES)), np.float32)
    )

    @classmethod
    def of(cls, calibration: Calibration) -> GoodFacts | None:
        """The facts that a calibration has; None if it is from before there were any."""
        if not knows_good_facts(calibration):
            return None
        names = calibration.fact_names.tolist()
        look = Look(calibration.look_mean, calibration.look_spread, _poses_of(calibration))
        borne = _by_name(calibration.facts_borne, names)
        return cls(_by_name(calibration.facts, names), look, borne)

    def put_into(self, calibration: Calibration) -> Calibration:
        """The calibration with these facts."""
        poses = self.look.poses
        if poses is not None:
            calibration = replace(
                calibration,
                pose_weights=poses.weights,
                pose_offset=poses.offset,
                pose_aspect=np.array([poses.aspect], np.float32),
            )
        return replace(
            calibration,
            facts=self.table,
            fact_names=cast("NDArray[np.str_]", np.array(FACT_NAMES)),
            facts_borne=self.borne,
            look_mean=self.look.mean,
            look_spread=self.look.spread,
        )


def _by_name(kept: NDArray[np.float32], names: list[str]) -> NDArray[np.float32]:
    """Facts in the order of `FACTS`; NaN where none is kept by that name."""
    table = np.full((len(kept), len(FACT_NAMES)), np.nan, np.float32)
    for at, name in enumerate(FACT_NAMES):
        if len(kept) and name in names:
            table[:, at] = kept[:, names.index(name)]
    return table


def _poses_of(calibration: Calibration) -> PoseMap | None:
    weights, offset, aspect = (
        calibration.pose_weights,
        calibration.pose_offset,
        calibration.pose_aspect,
    )
    # Of other cells than those that are looked at, weights would tell nothing.
    if weights.shape != (SEEN, 4) or offset.shape != (4,) or aspect.shape != (1,):
        return None
    return PoseMap(weights, offset, float(aspect[0]))
