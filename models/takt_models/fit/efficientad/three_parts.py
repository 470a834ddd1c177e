"""Good pictures in three parts: to fit on, to tell what is left to learn, and for thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

from takt_models.fit.efficientad.options import EfficientAdOptions
from takt_models.fit.errors import FitError
from takt_models.fit.parts import cut_between, kept_together


@dataclass(frozen=True)
class ThreeParts:
    """Good pictures by what they are for.

    Attributes:
        fitted: the student and the autoencoder learn from these.
        validation: give the quantiles of the maps, and tell when nothing more is gained.
        calibration: the fit never looks at these; thresholds come from them.
    """

    fitted: tuple[Path, ...]
    validation: tuple[Path, ...]
    calibration: tuple[Path, ...]

    @classmethod
    def of(
        cls,
        good: Sequence[Path],
        options: EfficientAdOptions,
        part: Sequence[int] | None = None,
    ) -> Self:
        """Deals pictures at random, by the options' shares and seed.

        Args:
            good: pictures of good parts.
            options: shares and seed.
            part: number of the part that each picture shows, all of whose pictures stay together;
                each shows its own if None.

        Raises:
            FitError: a part has none.
        """
        order = np.random.default_rng((options.seed, 0)).permutation(len(good))
        parts = kept_together(order.tolist(), part)
        calibration = cut_between(parts, math.ceil(options.calibration * len(good)))
        validation = cut_between(parts, calibration + math.ceil(options.validation * len(good)))
        shuffled = [good[picture] for picture in chain.from_iterable(parts)]
        split = cls(
            fitted=tuple(shuffled[validation:]),
            validation=tuple(shuffled[calibration:validation]),
            calibration=tuple(shuffled[:calibration]),
        )
        for name, part in vars(split).items():
            if not part:
                raise FitError(
                    f"{len(good)} good pictures of {len(parts)} parts leave none for the part "
                    f"`{name}`: give at least 3, and shares `validation` and `calibration` above "
                    "0 that leave some to fit on"
                )
        return split

    @property
    def seen(self) -> tuple[Path, ...]:
        """Pictures that the fit looks at."""
        return self.fitted + self.validation
