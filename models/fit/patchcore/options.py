"""Options of PatchCore's fit."""

from __future__ import annotations

from dataclasses import dataclass

from models.fit.options import Count, FitOptions, OpenShare


@dataclass(frozen=True)
class PatchCoreOptions(FitOptions):
    """How a PatchCore is fitted.

    Attributes:
        bank_size: Vectors of the bank for each kind of part.
        calibration: Share of the good pictures that the fit never sees, for the thresholds.

    >>> PatchCoreOptions(bank_size=500).calibration
    0.25
    """

    bank_size: Count = 2000
    calibration: OpenShare = 0.25
