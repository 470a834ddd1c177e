"""A good folder in which some pictures show defects: what is lost, and which of them are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.features import known_features
from benchmarks.corpus.figures import Rates, rates_of
from benchmarks.corpus.fitted import Answers, Distances, answered, fitted
from benchmarks.corpus.kept_fits import KeptFit
from benchmarks.corpus.measuring import Task, compute
from benchmarks.corpus.sets import pictures_of
from benchmarks.corpus.table import markdown
from export.calibration.cross_conformal import threshold_of
from export.calibration.odd_pictures import odd_pictures
from models.fit.patchcore.options import PatchCoreOptions

SHARE = 0.05
"""Share of the good pictures in whose place defects are."""

ALPHA = 0.05


@dataclass(frozen=True)
class Named:
    """Good pictures that the finding `odd_picture` names.

    Attributes:
        count: all of them.
        defects: those that show defects.
    """

    count: int
    defects: int


@dataclass(frozen=True)
class DirtyFigures:
    """A set, learned from a clean folder and from a dirty one; both judge the same pictures.

    Attributes:
        name: of the set.
        replaced: good pictures in whose place a defect was.
        clean: found defects and rejected good pictures of the clean folder, by seed.
        dirty: those of the dirty one.
        named_clean: by the finding of the clean folder, by seed.
        named_dirty: by that of the dirty one.
    """

    name: str
    replaced: int
    clean: tuple[Rates, ...]
    dirty: tuple[Rates, ...]
    named_clean: tuple[Named, ...]
    named_dirty: tuple[Named, ...]

    @property
    def lost(self) -> float:
        """Share of the defects that only the clean folder finds, mean of the seeds."""
        return _found(self.clean) - _found(self.dirty)

    @property
    def named(self) -> float:
        """Share of the defects in the folder that are named, mean of the seeds."""
        return fmean(one.defects for one in self.named_dirty) / self.replaced


def measure_dirty(task: Task) -> DirtyFigures:
    """Learns from both folders.

    Raises:
        CorpusError: the setting cannot be had.
        FitError: the pictures do not do.
    """
    with task.setting.applied():
        return _measured(task)


def _measured(task: Task) -> DirtyFigures:
    pictures = pictures_of(task.root)
    encoder = task.setting.encoder_for(pictures.good, compute())
    known = known_features(pictures.paths, encoder, task.scratch)
    good = len(pictures.part)
    defective = np.array([sample.defect is not None for sample in pictures.tested])
    draw = np.random.default_rng(0)
    replaced = draw.choice(good, max(1, round(SHARE * good)), replace=False)
    defects = good + draw.choice(np.flatnonzero(defective), len(replaced), replace=False)
    tested = np.setdiff1d(np.arange(good, len(pictures.paths)), defects)
    shown = np.arange(len(pictures.paths))
    shown[replaced] = defects
    rates: dict[bool, list[Rates]] = {False: [], True: []}
    named: dict[bool, list[Named]] = {False: [], True: []}
    for seed in range(task.seeds):
        options = task.setting.options(seed)
        for dirty in (False, True):

            def fit(options: PatchCoreOptions = options, dirty: bool = dirty) -> Distances:
                order = shown if dirty else None
                return fitted(
                    known.layers,
                    pictures.part,
                    tested.tolist(),
                    encoder,
                    options,
                    task.setting.further,
                    order,
                )[1]

            facts = f"{task.setting.fit_text} {encoder.config} {options} {pictures.part}"
            distances = KeptFit(known.folder, f"{facts} {SHARE} {dirty}").get(fit)
            answers = answered(distances, encoder)
            (found,) = rates_of(
                {ALPHA: answers.limits[ALPHA]},
                answers.scores,
                answers.peaks,
                defective[tested - good],
            )
            rates[dirty].append(found)
            named[dirty].append(_named(answers, replaced if dirty else replaced[:0]))
    return DirtyFigures(
        pictures.name,
        len(replaced),
        tuple(rates[False]),
        tuple(rates[True]),
        tuple(named[False]),
        tuple(named[True]),
    )


def _named(answers: Answers, replaced: NDArray[np.int64]) -> Named:
    good = answers.good
    odd = odd_pictures(good.score, good.digests, lambda some: threshold_of(some, ALPHA))
    names = () if odd is None else odd.names
    return Named(len(names), sum(name in {str(one) for one in replaced} for name in names))


def report(found: Mapping[str, DirtyFigures]) -> str:
    """The table of all sets and their means."""
    head = ["set", "defects in it", "found, clean", "found, dirty", "lost", "rejected, clean",
            "rejected, dirty", "named", "of them defects", "named, clean"]  # fmt: skip
    rows = [
        [
            one.name,
            str(one.replaced),
            f"{_found(one.clean):.1%}",
            f"{_found(one.dirty):.1%}",
            f"{100 * one.lost:+.1f}",
            f"{fmean(rate.rejected for rate in one.clean):.1%}",
            f"{fmean(rate.rejected for rate in one.dirty):.1%}",
            f"{fmean(named.count for named in one.named_dirty):.1f}",
            f"{one.named:.0%}",
            f"{fmean(named.count for named in one.named_clean):.1f}",
        ]
        for one in found.values()
    ]
    mean = [
        "**mean**",
        "",
        f"{fmean(_found(one.clean) for one in found.values()):.1%}",
        f"{fmean(_found(one.dirty) for one in found.values()):.1%}",
        f"{100 * fmean(one.lost for one in found.values()):+.1f}",
        *("",) * 3,
        f"{fmean(one.named for one in found.values()):.0%}",
        "",
    ]
    return markdown(head, [*rows, mean])


def _found(rates: tuple[Rates, ...]) -> float:
    return fmean(one.found for one in rates)
