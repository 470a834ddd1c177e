"""A good folder in which some pictures show defects: what is lost, and which of them are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.figures import Rates, rates_of
from benchmarks.corpus.fitted import answered
from benchmarks.corpus.measuring import Subject, Task
from benchmarks.corpus.table import markdown
from export.calibration.cross_conformal import outliers, threshold_of
from export.calibration.odd_pictures import odd_pictures

SHARE = 0.05
"""Share of the good pictures in whose place defects are."""

ALPHA = 0.05


@dataclass(frozen=True)
class Look:
    """A model on the tested pictures, and what it says of the folder that it was learned from.

    Attributes:
        rates: found defects and rejected good pictures.
        named: which pictures of the folder the finding `odd_picture` names.
        defects: number of those that show defects.
    """

    rates: Rates
    named: NDArray[np.int64]
    defects: int

    @property
    def good(self) -> int:
        """Number of those that show good parts."""
        return len(self.named) - self.defects


@dataclass(frozen=True)
class DirtyFigures:
    """A set, learned from a clean folder and from a dirty one; all judge the same pictures.

    Attributes:
        name: of the set.
        good: number of pictures in the folder.
        replaced: those in whose place a defect was.
        clean: of the clean folder, by seed.
        dirty: of the dirty one.
        mended: of the dirty one without the pictures that were named.
    """

    name: str
    good: int
    replaced: int
    clean: tuple[Look, ...]
    dirty: tuple[Look, ...]
    mended: tuple[Look, ...]

    @property
    def lost(self) -> float:
        """Share of the defects that only the clean folder finds, mean of the seeds."""
        return _found(self.clean) - _found(self.dirty)

    @property
    def named(self) -> float:
        """Share of the defects in the folder that are named, mean of the seeds."""
        return fmean(one.defects for one in self.dirty) / self.replaced


def measure_dirty(task: Task) -> DirtyFigures:
    """Learns from both folders.

    Raises:
        CorpusError: the setting cannot be had.
        FitError: the pictures do not do.
    """
    with task.setting.applied():
        return _measured(task)


def _measured(task: Task) -> DirtyFigures:
    subject = Subject.of(task)
    good, parts = subject.good, np.array(subject.pictures.part)
    draw = np.random.default_rng(0)
    replaced = draw.choice(good, max(1, round(SHARE * len(good))), replace=False)
    defects = draw.choice(subject.tested[subject.defective], len(replaced), replace=False)
    tested = np.setdiff1d(subject.tested, defects)
    defective = subject.defective[tested - len(good)]
    with_defects = good.copy()
    with_defects[replaced] = defects

    def look(seed: int, chosen: NDArray[np.int64], of: NDArray[np.int64]) -> Look:
        answers = answered(
            subject.learned(seed, chosen, parts[of].tolist(), tested), subject.encoder
        )
        limits = {ALPHA: answers.limits[ALPHA]}
        (rates,) = rates_of(limits, answers.scores, answers.peaks, defective)
        scored = answers.good
        odd = odd_pictures(
            scored.score,
            scored.digests,
            lambda some: threshold_of(some, ALPHA),
            outliers(scored.score, scored.peak),
        )
        named = np.array([] if odd is None else [int(str(name)) for name in odd.names], np.int64)
        return Look(rates, named, int(np.isin(chosen[named], defects).sum()))

    clean, dirty, mended = [], [], []
    for seed in range(task.seeds):
        clean.append(look(seed, good, good))
        dirty.append(look(seed, with_defects, good))
        kept = np.delete(good, dirty[-1].named)
        mended.append(look(seed, with_defects[kept], kept))
    return DirtyFigures(
        subject.pictures.name, len(good), len(replaced), tuple(clean), tuple(dirty), tuple(mended)
    )


def report(found: Mapping[str, DirtyFigures]) -> str:
    """The table of all sets and their means."""
    columns: dict[str, Callable[[DirtyFigures], float]] = {
        "found, clean": lambda one: _found(one.clean),
        "found, dirty": lambda one: _found(one.dirty),
        "found, mended": lambda one: _found(one.mended),
        "rejected, clean": lambda one: _rejected(one.clean),
        "rejected, dirty": lambda one: _rejected(one.dirty),
        "rejected, mended": lambda one: _rejected(one.mended),
        "defects named": lambda one: one.named,
        "good named, dirty": lambda one: fmean(look.good for look in one.dirty) / one.good,
        "good named, clean": lambda one: fmean(look.good for look in one.clean) / one.good,
    }
    rows = [
        [one.name, str(one.replaced), *(f"{of(one):.1%}" for of in columns.values())]
        for one in found.values()
    ]
    means = (fmean(of(one) for one in found.values()) for of in columns.values())
    rows.append(["**mean**", "", *(f"{mean:.1%}" for mean in means)])
    lost = fmean(one.lost for one in found.values())
    return (
        markdown(["set", "defects in it", *columns], rows)
        + f"\n\nfound at {ALPHA:.0%} loses {100 * lost:.1f} points on average"
    )


def _found(looks: Sequence[Look]) -> float:
    return fmean(one.rates.found for one in looks)


def _rejected(looks: Sequence[Look]) -> float:
    return fmean(one.rates.rejected for one in looks)
