"""Few good pictures: fitted as they are, and with the turned ones that the fit sees besides.

The fit's own code runs, on the pictures themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.corpus.fitted import answers_of
from benchmarks.corpus.measuring import Subject, Task, compute
from benchmarks.corpus.remedies import Outcome, outcome_of
from benchmarks.corpus.table import markdown
from export.learning.family import reader
from models.fit.patchcore import turning
from models.fit.patchcore.fit import fit_patchcore
from models.fit.patchcore.options import PatchCoreOptions
from models.patchcore.detector import PatchCore

COUNT = 30
"""Good pictures that are there, drawn anew with each seed."""

ALPHA = 0.05


@dataclass(frozen=True)
class FewFigures:
    """A set, learned from few good pictures.

    Attributes:
        name: of the set.
        turns: how they were seen besides, by seed.
        plain: what the models do that saw them as they are, by seed.
        turned: what those do that saw them turned, too.
    """

    name: str
    turns: tuple[tuple[str, ...], ...]
    plain: tuple[Outcome, ...]
    turned: tuple[Outcome, ...]


def measure_few(task: Task) -> FewFigures:
    """Learns from few pictures in both ways.

    Raises:
        CorpusError: the setting cannot be had.
        FitError: the pictures do not do.
    """
    with task.setting.applied():
        subject = Subject.of(task)
        turns, plain, turned = [], [], []
        for seed in range(task.seeds):
            drawn = np.random.default_rng((seed, COUNT)).permutation(subject.good)[:COUNT]
            some = [subject.pictures.good[number] for number in sorted(drawn)]
            with patch.object(turning, "FEW", 0):
                _, outcome = _learned(subject, some, seed)
            plain.append(outcome)
            names, outcome = _learned(subject, some, seed)
            turns.append(names)
            turned.append(outcome)
    return FewFigures(subject.pictures.name, tuple(turns), tuple(plain), tuple(turned))


def _learned(subject: Subject, some: Sequence[Path], seed: int) -> tuple[tuple[str, ...], Outcome]:
    encoder = subject.encoder
    fitted = fit_patchcore(
        [some], reader(encoder.recipe), encoder, PatchCoreOptions(seed=seed), compute(), quiet=True
    )
    assert fitted.out_of_fold is not None
    tested = torch.stack([_distances(subject, fitted.model, int(one)) for one in subject.tested])
    answers = answers_of(fitted.model, fitted.out_of_fold, tested)
    return fitted.turned, outcome_of(subject, answers, ALPHA)


@torch.no_grad()
def _distances(subject: Subject, model: PatchCore, number: int) -> Tensor:
    """The distances [L,h,w] of a picture to the model's banks, by its kept features."""
    layers = (layer[[number]].astype(np.float32) for layer in subject.known.layers)
    cells = [torch.from_numpy(layer).flatten(2).transpose(1, 2) for layer in layers]
    return model.distances(cells)[:, 0]


def report(found: Mapping[str, FewFigures]) -> str:
    """The table of all sets and their means."""
    columns: dict[str, Callable[[Outcome], float]] = {
        "AUROC": lambda one: one.auroc,
        "found": lambda one: one.found,
        "rejected": lambda one: one.rejected,
    }
    rows = []
    for one in found.values():
        pairs = [_pair(of, one.plain, one.turned) for of in columns.values()]
        said = "; ".join(sorted({", ".join(names) or "none" for names in one.turns}))
        rows.append([one.name, said, *pairs])
    plain = [outcome for one in found.values() for outcome in one.plain]
    turned = [outcome for one in found.values() for outcome in one.turned]
    rows.append(["**mean**", "", *(_pair(of, plain, turned) for of in columns.values())])
    return markdown(["set", "turned", *columns], rows)


def _pair(
    of: Callable[[Outcome], float], plain: Sequence[Outcome], turned: Sequence[Outcome]
) -> str:
    return f"{fmean(map(of, plain)):.3f} → {fmean(map(of, turned)):.3f}"
