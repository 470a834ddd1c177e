"""Few good pictures: fitted as they are, and with the turned ones that the fit sees besides.

The fit's own code runs, on the pictures themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from unittest.mock import patch

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from benchmarks.corpus.figures import rates_of
from benchmarks.corpus.fitted import Answers, answers_of, limits_of
from benchmarks.corpus.measuring import Subject, Task, compute
from benchmarks.corpus.table import markdown
from takt_export.learning.family import reader
from takt_models.fit.patchcore import turning
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.patchcore.detector import PatchCore

COUNTS: Mapping[int, float] = MappingProxyType({6: 0.2, 10: 0.1, 30: 0.05})
"""Numbers of good pictures, drawn anew with each seed, and a rate that they allow."""


@dataclass(frozen=True)
class Outcome:
    """What a model and its thresholds do to the tested pictures.

    Attributes:
        found: share of the defects found.
        rejected: share of the good pictures rejected.
        auroc: image AUROC.
    """

    found: float
    rejected: float
    auroc: float


@dataclass(frozen=True)
class FewFigures:
    """A set, learned from so many good pictures.

    Attributes:
        turns: how they were seen besides, by seed.
        plain: what the models do that saw them as they are, by seed.
        turned: what those do that saw them turned, too.
    """

    turns: tuple[tuple[str, ...], ...]
    plain: tuple[Outcome, ...]
    turned: tuple[Outcome, ...]


def measure_few(task: Task) -> dict[int, FewFigures]:
    """Learns from few pictures in both ways, by their number.

    Raises:
        CorpusError: the setting cannot be had.
        FitError: the pictures do not do.
    """
    with task.setting.applied():
        subject = Subject.of(task)
        return {count: _measured(subject, task.seeds, count) for count in COUNTS}


def _measured(subject: Subject, seeds: int, count: int) -> FewFigures:
    turns, plain, turned = [], [], []
    for seed in range(seeds):
        drawn = np.random.default_rng((seed, count)).permutation(subject.good)[:count]
        some = [subject.pictures.good[number] for number in sorted(drawn)]
        with patch.object(turning, "FEW", 0):
            plain.append(_learned(subject, some, seed, COUNTS[count])[1])
        names, outcome = _learned(subject, some, seed, COUNTS[count])
        turns.append(names)
        turned.append(outcome)
    return FewFigures(tuple(turns), tuple(plain), tuple(turned))


def _learned(
    subject: Subject, some: Sequence[Path], seed: int, alpha: float
) -> tuple[tuple[str, ...], Outcome]:
    encoder, options = subject.encoder, subject.task.setting.options(seed)
    fitted = fit_patchcore([some], reader(encoder.recipe), encoder, options, compute(), quiet=True)
    assert fitted.out_of_fold is not None
    tested = torch.stack([_distances(subject, fitted.model, int(one)) for one in subject.tested])
    answers = answers_of(fitted.model, fitted.out_of_fold, tested)
    return fitted.turned, _outcome_of(subject, answers, alpha)


def _outcome_of(subject: Subject, answers: Answers, alpha: float) -> Outcome:
    """What a model does to the tested pictures at a rate of rejected good ones."""
    limits = {alpha: limits_of(answers.good, alpha)}
    (rates,) = rates_of(limits, answers.scores, answers.peaks, subject.defective)
    auroc = float(roc_auc_score(subject.defective, answers.scores))
    return Outcome(rates.found, rates.rejected, auroc)


@torch.no_grad()
def _distances(subject: Subject, model: PatchCore, number: int) -> Tensor:
    """The distances [L,h,w] of a picture to the model's banks, by its kept features."""
    layers = (layer[[number]].astype(np.float32) for layer in subject.known.layers)
    cells = [torch.from_numpy(layer).flatten(2).transpose(1, 2) for layer in layers]
    return model.distances(cells)[:, 0]


def report(found: Mapping[str, Mapping[int, FewFigures]]) -> str:
    """A table for each number of pictures: all sets, and their means."""
    return "\n\n".join(
        f"{count} good pictures, found and rejected at {alpha:.0%}:\n\n"
        + _table({name: one[count] for name, one in found.items()})
        for count, alpha in COUNTS.items()
    )


def _table(found: Mapping[str, FewFigures]) -> str:
    columns: dict[str, Callable[[Outcome], float]] = {
        "AUROC": lambda one: one.auroc,
        "found": lambda one: one.found,
        "rejected": lambda one: one.rejected,
    }

    def pairs(plain: Sequence[Outcome], turned: Sequence[Outcome]) -> list[str]:
        values = columns.values()
        return [f"{fmean(map(of, plain)):.3f} → {fmean(map(of, turned)):.3f}" for of in values]

    rows = []
    for name, one in found.items():
        said = "; ".join(sorted({", ".join(names) or "none" for names in one.turns}))
        rows.append([name, said, *pairs(one.plain, one.turned)])
    plain = [outcome for one in found.values() for outcome in one.plain]
    turned = [outcome for one in found.values() for outcome in one.turned]
    rows.append(["**mean**", "", *pairs(plain, turned)])
    return markdown(["set", "turned", *columns], rows)
