"""What the advice of learning and of the self-test does: each remedy, before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.corpus.figures import rates_of
from benchmarks.corpus.fitted import Answers, answered, limits_of
from benchmarks.corpus.measuring import Subject, Task
from benchmarks.corpus.settings import SIZE
from benchmarks.corpus.table import markdown
from models.patchcore.config import SIZES
from service.bundles.calibration.conformal import needed_for

FEW_FOUND = 0.5
"""Below this share of found defects a model needs a remedy."""

POINTS = 0.02
"""Least change of a share that counts."""


@dataclass(frozen=True)
class Effect:
    """A remedy on one set.

    Attributes:
        remedy: what is done.
        found: shares of the defects found, before and after.
        rejected: shares of the good pictures rejected.
        auroc: image AUROC.
    """

    remedy: str
    found: tuple[float, float]
    rejected: tuple[float, float]
    auroc: tuple[float, float]


@dataclass(frozen=True)
class _Look:
    found: float
    rejected: float
    auroc: float


def measure_remedies(task: Task) -> tuple[Effect, ...]:
    """Each remedy on a set, with seed 0.

    Raises:
        CorpusError: the setting cannot be had.
        FitError: the pictures do not do.
    """
    with task.setting.applied():
        subject = Subject.of(task)
        usual = answered(subject.learned(0), subject.encoder)
        found = [_effect("--alpha 0.1 instead of 0.05", subject, (usual, 0.05), (usual, 0.1))]
        if len(usual.good.score) >= needed_for(0.01):
            low = (usual, 0.01)
            found.append(_effect("--alpha 0.05 instead of 0.01", subject, low, (usual, 0.05)))
        if len(subject.good) // 2 >= needed_for(0.05):
            half = np.sort(
                np.random.default_rng(0).permutation(subject.good)[: len(subject.good) // 2]
            )
            parts = np.array(subject.pictures.part)[half].tolist()
            few = answered(subject.learned(0, half, parts), subject.encoder)
            found.append(
                _effect("twice as many good pictures", subject, (few, 0.05), (usual, 0.05))
            )
    for name, factor in (("--size half as large again", 1.5), ("--size two thirds", 2 / 3)):
        other = _sized(task, subject, factor)
        with other.setting.applied():
            resized = Subject.of(other)
            answers = answered(resized.learned(0), resized.encoder)
            found.append(_effect(name, subject, (usual, 0.05), (answers, 0.05)))
    return tuple(found)


def _sized(task: Task, subject: Subject, factor: float) -> Task:
    config = subject.encoder.config
    multiple = SIZES[config.encoder].multiple
    width, height = (
        multiple * round(factor * side / multiple) for side in (config.width, config.height)
    )
    values = {**task.setting.values, SIZE: f"{width}x{height}"}
    return replace(task, setting=replace(task.setting, values=values))


def _effect(
    remedy: str, subject: Subject, before: tuple[Answers, float], after: tuple[Answers, float]
) -> Effect:
    one, other = _look(subject, *before), _look(subject, *after)
    return Effect(
        remedy,
        (one.found, other.found),
        (one.rejected, other.rejected),
        (one.auroc, other.auroc),
    )


def _look(subject: Subject, answers: Answers, alpha: float) -> _Look:
    limits = {alpha: limits_of(answers.good, alpha)}
    (rates,) = rates_of(limits, answers.scores, answers.peaks, subject.defective)
    auroc = float(roc_auc_score(subject.defective, answers.scores))
    return _Look(rates.found, rates.rejected, auroc)


def report(found: Mapping[str, Sequence[Effect]]) -> str:
    """A row for each remedy, on all sets and on those that find few without it."""
    head = ["remedy", "sets", "found", "good rejected", "image AUROC", "better", "worse"]
    every = [effect for effects in found.values() for effect in effects]
    rows = []
    for remedy in dict.fromkeys(effect.remedy for effect in every):
        all_sets = [effect for effect in every if effect.remedy == remedy]
        few = [effect for effect in all_sets if effect.found[0] < FEW_FOUND]
        rows += [_row(remedy, "all", all_sets), _row(remedy, "under half found", few)]
    return markdown(head, [row for row in rows if row])


def _row(remedy: str, which: str, effects: Sequence[Effect]) -> list[str]:
    if not effects:
        return []
    gains = [effect.found[1] - effect.found[0] for effect in effects]
    return [
        remedy,
        f"{which}: {len(effects)}",
        _change([effect.found for effect in effects], ".1%"),
        _change([effect.rejected for effect in effects], ".1%"),
        _change([effect.auroc for effect in effects], ".3f"),
        str(sum(gain > POINTS for gain in gains)),
        str(sum(gain < -POINTS for gain in gains)),
    ]


def _change(pairs: Sequence[tuple[float, float]], form: str) -> str:
    before, after = (fmean(values) for values in zip(*pairs, strict=True))
    return f"{before:{form}} → {after:{form}}"
