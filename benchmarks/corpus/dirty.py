"""A good folder in which some pictures show defects: what is lost, and which of them are named.

Then some defects are judged, and the model is taught by them: what that finds again, which pictures
of the folder look like them, and what a model finds that is learned anew without these. Half of
the other defects is asked about that, and the judged ones are drawn from the other half.
"""

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
from benchmarks.corpus.teaching import Pupil
from takt_export.calibration.cross_conformal import threshold_of
from takt_export.calibration.odd_pictures import odd_pictures
from takt_export.calibration.outliers import outliers
from takt_export.families.patchcore.scaled_head import suspects_of

SHARE = 0.05
"""Share of the good pictures in whose place defects are."""

ALPHA = 0.05

JUDGED = 10
"""Number of defects that are judged."""


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
class TaughtLooks:
    """What teaching makes of a dirty folder; all judge the same half of the other defects.

    Attributes:
        clean: model of the clean folder.
        dirty: of the dirty one.
        taught: of the dirty one, taught by judged defects; it names pictures as well.
        anew: of the dirty one without those that either of them named.
        again: the same, taught by the same defects.
    """

    clean: Look
    dirty: Look
    taught: Look
    anew: Look
    again: Look


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
        taught: what teaching makes of it, with seed 0.
    """

    name: str
    good: int
    replaced: int
    clean: tuple[Look, ...]
    dirty: tuple[Look, ...]
    mended: tuple[Look, ...]
    taught: TaughtLooks

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

    def look(
        seed: int,
        chosen: NDArray[np.int64],
        of: NDArray[np.int64],
        asked: NDArray[np.int64] | None = None,
    ) -> Look:
        """A model of some pictures in the places of others, on all tested ones or some of them."""
        answers = answered(
            subject.learned(seed, chosen, parts[of].tolist(), tested), subject.encoder
        )
        limits = {ALPHA: answers.limits[ALPHA]}
        some = np.arange(len(tested)) if asked is None else asked
        (rates,) = rates_of(limits, answers.scores[some], answers.peaks[some], defective[some])
        scored = answers.good
        odd = odd_pictures(
            scored.score,
            scored.digests,
            lambda some: threshold_of(some, ALPHA),
            outliers(scored.score, scored.peak),
        )
        named = np.array([] if odd is None else [int(str(name)) for name in odd.names], np.int64)
        return Look(rates, named, int(np.isin(chosen[named], defects).sum()))

    def teach(chosen: NDArray[np.int64], of: NDArray[np.int64]) -> Look:
        """The model of these pictures, taught, with what it names and what is named before."""
        pupil = Pupil.learned(subject, chosen, parts[of].tolist(), tested)
        head = pupil.head(judged, ALPHA)
        before = look(0, chosen, of, asked)
        if pupil.is_left_out(head, judged, ALPHA):
            return before
        said = head.verdicts(pupil.good, pupil.seen(asked)).anomalous
        shows = pupil.defective[asked]
        rates = Rates(ALPHA, float(said[shows].mean()), float(said[~shows].mean()))
        likest = [int(name.rpartition("/")[2]) for name in suspects_of(pupil.good, head)]
        named = np.union1d(before.named, np.array(likest, np.int64))
        return Look(rates, named, int(np.isin(chosen[named], defects).sum()))

    clean, dirty, mended = [], [], []
    for seed in range(task.seeds):
        clean.append(look(seed, good, good))
        dirty.append(look(seed, with_defects, good))
        kept = np.delete(good, dirty[-1].named)
        mended.append(look(seed, with_defects[kept], kept))
    pupil = Pupil.learned(subject, with_defects, parts.tolist(), tested)
    judged, asked = pupil.judged(ALPHA, JUDGED, 0), pupil.asked
    taught = teach(with_defects, good)
    kept = np.delete(good, taught.named)
    of_taught = TaughtLooks(
        clean=look(0, good, good, asked),
        dirty=look(0, with_defects, good, asked),
        taught=taught,
        anew=look(0, with_defects[kept], kept, asked),
        again=teach(with_defects[kept], kept),
    )
    return DirtyFigures(
        subject.pictures.name,
        len(good),
        len(replaced),
        tuple(clean),
        tuple(dirty),
        tuple(mended),
        of_taught,
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
        + f"\n\nfound at {ALPHA:.0%} loses {100 * lost:.1f} points on average\n\n"
        + _of_taught(found)
    )


def _of_taught(found: Mapping[str, DirtyFigures]) -> str:
    """What teaching makes of the dirty folders: found / rejected, and who is named."""
    looks: dict[str, Callable[[TaughtLooks], Look]] = {
        "clean": lambda one: one.clean,
        "dirty": lambda one: one.dirty,
        f"taught by {JUDGED}": lambda one: one.taught,
        "learned anew": lambda one: one.anew,
        "and taught again": lambda one: one.again,
    }
    columns: dict[str, Callable[[DirtyFigures], float]] = {}
    for name, of in looks.items():
        columns[f"found, {name}"] = lambda one, of=of: of(one.taught).rates.found  # type: ignore[misc]
        columns[f"rejected, {name}"] = lambda one, of=of: of(one.taught).rates.rejected  # type: ignore[misc]
    columns["defects named, dirty"] = lambda one: one.taught.dirty.defects / one.replaced
    columns["defects named, taught"] = lambda one: one.taught.taught.defects / one.replaced
    columns["good named, taught"] = lambda one: one.taught.taught.good / one.good
    rows = [[name, *(f"{of(one):.1%}" for of in columns.values())] for name, one in found.items()]
    means = (fmean(of(one) for one in found.values()) for of in columns.values())
    rows.append(["**mean**", *(f"{mean:.1%}" for mean in means)])
    return markdown(["set, half of the defects", *columns], rows)


def _found(looks: Sequence[Look]) -> float:
    return fmean(one.rates.found for one in looks)


def _rejected(looks: Sequence[Look]) -> float:
    return fmean(one.rates.rejected for one in looks)
