"""Options of PatchCore's fit."""

from __future__ import annotations

from dataclasses import dataclass

from takt_models.fit.options import Count, FitOptions


@dataclass(frozen=True)
class PatchCoreOptions(FitOptions):
    """How a PatchCore is fitted.

    Attributes:
        bank_size: Vectors of all layers' banks together, for each kind of part.

    >>> PatchCoreOptions(bank_size=500).seed
    0
    """

    bank_size: Count = 6000
