"""Two settings, set by set: the paired difference of the AUROC, and whether the new one goes in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.corpus.measuring import Scores
from benchmarks.corpus.results import load, load_scores
from benchmarks.corpus.sets import CorpusError
from benchmarks.corpus.table import NONE, markdown

MOST_LOST = 0.02
"""A set that loses more than this of its AUROC, and more than it varies, forbids a setting."""

STANDARD_ERRORS = 2


@dataclass(frozen=True)
class Difference:
    """What a set has more with the new setting than with the old one.

    Attributes:
        name: of the set.
        auroc: of the image AUROC, mean over the seeds.
        error: standard error of that, over the tested pictures.
        found: of the share of defects found at 5 %; None where that is not known.
        rejected: of the share of good pictures rejected at 5 %; None where that is not known.
    """

    name: str
    auroc: float
    error: float
    found: float | None = None
    rejected: float | None = None

    @property
    def forbids(self) -> bool:
        """Whether the set loses too much."""
        return self.auroc < -MOST_LOST and -self.auroc > STANDARD_ERRORS * self.error


@dataclass(frozen=True)
class Verdict:
    """Whether a setting goes in.

    Attributes:
        gain: mean of the AUROC's differences over the sets.
        forbidden_by: names of the sets that lose too much.
    """

    gain: float
    forbidden_by: tuple[str, ...]

    @classmethod
    def of(cls, differences: Sequence[Difference]) -> Verdict:
        """The verdict of at least one set."""
        return cls(
            fmean(one.auroc for one in differences),
            tuple(one.name for one in differences if one.forbids),
        )

    @property
    def goes_in(self) -> bool:
        """Whether the mean rises and no set forbids it."""
        return self.gain > 0 and not self.forbidden_by

    @property
    def text(self) -> str:
        """One line."""
        gain = f"the mean image AUROC changes by {self.gain:+.4f}"
        if self.goes_in:
            return f"goes in: {gain}, and no set loses more than it may"
        reasons = [] if self.gain > 0 else ["the mean does not rise"]
        if self.forbidden_by:
            sets = ", ".join(self.forbidden_by)
            reasons.append(
                f"forbidden by {sets}, with a loss of more than {MOST_LOST} and more than "
                f"{STANDARD_ERRORS} standard errors"
            )
        return f"stays out: {gain}; {' and '.join(reasons)}"


def compared(old: Path, new: Path) -> tuple[list[Difference], list[str]]:
    """The differences of the sets that both results have, and the names of those of one alone.

    Raises:
        CorpusError: a file is no result, or they have no set with the same pictures in common.
    """
    former, latter = load(old).by_set, load(new).by_set
    former_scores, latter_scores = load_scores(old), load_scores(new)
    found = []
    for name in (name for name in former if name in latter):
        auroc, error = paired(former_scores[name], latter_scores[name], name)
        found.append(
            Difference(
                name,
                auroc,
                error,
                _minus(latter[name].found(), former[name].found()),
                _minus(latter[name].rejected(), former[name].rejected()),
            )
        )
    if not found:
        raise CorpusError(f"{old} and {new} have no set in common")
    return found, sorted(former.keys() ^ latter.keys())


def paired(old: Scores, new: Scores, name: str) -> tuple[float, float]:
    """Difference of the AUROC, mean over the seeds, and its standard error after DeLong.

    Seeds add nothing to the standard error: it is that over the tested pictures, each with the mean
    of its seeds.

    Raises:
        CorpusError: the scores are of other pictures.
    """
    order = {picture: number for number, picture in enumerate(new.names.tolist())}
    if set(order) != set(old.names.tolist()):
        raise CorpusError(f"{name} had other test pictures then: measure one of the two again")
    places = [order[picture] for picture in old.names.tolist()]
    before = _components(old.scores, old.defective)
    after = _components(new.scores[:, places], old.defective)
    defects, good = (one - other for one, other in zip(after, before, strict=True))
    if min(len(defects), len(good)) < 2:
        return float(defects.mean()), math.inf
    variance = defects.var(ddof=1) / len(defects) + good.var(ddof=1) / len(good)
    return float(defects.mean()), float(np.sqrt(variance))


def report(differences: Sequence[Difference], alone: Sequence[str]) -> str:
    """The table and the verdict."""
    rows = [
        [
            one.name,
            f"{one.auroc:+.4f}",
            f"{one.error:.4f}",
            _points(one.found),
            _points(one.rejected),
            "forbids" if one.forbids else "",
        ]
        for one in differences
    ]
    head = ["set", "image AUROC", "standard error", "found at 5 %", "rejected at 5 %", ""]
    lines = [markdown(head, rows), "", Verdict.of(differences).text]
    if alone:
        lines.append(f"left out, as only one of the two has them: {', '.join(alone)}")
    return "\n".join(lines)


def _components(
    scores: NDArray[np.float32], defective: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each defect's share of good pictures below it, and each good one's of defects above it.

    A tie counts half. Both are means over the seeds [s,m]; the mean of either is the AUROC.
    """
    defects, good = int(defective.sum()), int((~defective).sum())
    ranks = rankdata(scores, axis=1)
    own_defects = rankdata(scores[:, defective], axis=1)
    own_good = rankdata(scores[:, ~defective], axis=1)
    below = (ranks[:, defective] - own_defects) / good
    above = 1 - (ranks[:, ~defective] - own_good) / defects
    return below.mean(0), above.mean(0)


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _points(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:+.1f}"
