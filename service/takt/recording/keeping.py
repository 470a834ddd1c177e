"""Which pictures are kept: of rejects, near the threshold, a sample, and the last ones of all."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from takt.core.domain import Verdict
from takt.core.errors import ConfigurationError
from takt.recording.wishes import read_wishes

Chosen = Literal["reject", "near", "sample"]
"""Why a rule or chance has chosen a picture, from which figures of all inspections follow."""

CHOSEN: Final[tuple[Chosen, ...]] = get_args(Chosen)

Reason = Literal["reject", "near", "sample", "recent"]
"""Why a picture is kept; `recent` ones are there for a while, and nothing has chosen them."""


@dataclass(frozen=True, slots=True)
class KeepingRule:
    """The choice of pictures.

    >>> rule = KeepingRule.read("rejects,near=0.1")
    >>> verdict = Verdict(False, score=0.95, threshold=1.0, percentile=None, regions=())
    >>> rule.reason(verdict)
    'near'

    Attributes:
        rejects: whether those of rejects are kept.
        near: largest distance of a score from the threshold, as a share of the threshold's own
            distance from the usual score of good parts; of the threshold where that is not known.
        sample: share of all others.
        recent: whether the rest is kept as well, as long as there is room.
    """

    rejects: bool
    near: float
    sample: float
    recent: bool

    @classmethod
    def read(cls, text: str) -> KeepingRule:
        """The rule of a text such as `rejects,near=0.1,sample=0.01`.

        Raises:
            ConfigurationError: the text is no such rule.
        """
        if text.strip() == "none":
            return cls(rejects=False, near=0.0, sample=0.0, recent=False)
        wishes = read_wishes("keep", text, flags=("rejects", "recent"), numbers=("near", "sample"))
        rule = cls(
            rejects="rejects" in wishes,
            near=wishes.get("near", 0.0),
            sample=wishes.get("sample", 0.0),
            recent="recent" in wishes,
        )
        if not (math.isfinite(rule.near) and 0 <= rule.sample <= 1):
            raise ConfigurationError(
                f"keep={text}: `near` and `sample` are shares, such as near=0.1,sample=0.01"
            )
        return rule

    def reason(
        self, verdict: Verdict, chance: Callable[[], float] = random.random
    ) -> Reason | None:
        """Why a picture with this verdict is kept; None if it is not.

        Args:
            verdict: on the picture.
            chance: gives numbers of 0 to 1, below 1.
        """
        if verdict.anomalous and self.rejects:
            return "reject"
        if self.near and abs(verdict.score - verdict.threshold) <= self.near * _scale(verdict):
            return "near"
        if self.sample and chance() < self.sample:
            return "sample"
        return "recent" if self.recent else None


def _scale(verdict: Verdict) -> float:
    """How far the threshold is from good parts: scores of families differ in height and spread."""
    typical = verdict.typical_score
    if typical is None or typical >= verdict.threshold:
        return abs(verdict.threshold)
    return verdict.threshold - typical
