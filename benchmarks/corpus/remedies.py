"""What the advice of learning and of the self-test does: each remedy, before and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from service.core.bundles.conformal import needed_for

FEW_FOUND = 0.5
"""Below this share of found defects a model needs a remedy."""

POINTS = 0.02
"""Least change of a share that counts."""


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
class Effect:
    """A remedy on one set.

    Attributes:
        remedy: what is done.
        before: without it.
        after: with it.
    """

    remedy: str
    before: Outcome
    after: Outcome

    @property
    def gain(self) -> float:
        """Share of the defects that are found only with it."""
        return self.after.found - self.before.found


def measure_remedies(task: Task) -> tuple[Effect, ...]:
    """Each remedy on a set, with seed 0.

    Raises:
        CorpusError: the setting cannot be had.
        FitError: the pictures do not do.
    """
    with task.setting.applied():
        subject = Subject.of(task)
        usual = answered(subject.learned(0), subject.encoder)
        at_5 = outcome_of(subject, usual, 0.05)
        found = [Effect("--alpha 0.1 instead of 0.05", at_5, outcome_of(subject, usual, 0.1))]
        if len(usual.good.score) >= needed_for(0.01):
            at_1 = outcome_of(subject, usual, 0.01)
            found.append(Effect("--alpha 0.05 instead of 0.01", at_1, at_5))
        if len(subject.good) // 2 >= needed_for(0.05):
            half = np.sort(
                np.random.default_rng(0).permutation(subject.good)[: len(subject.good) // 2]
            )
            parts = np.array(subject.pictures.part)[half].tolist()
            few = answered(subject.learned(0, half, parts), subject.encoder)
            found.append(
                Effect("twice as many good pictures", outcome_of(subject, few, 0.05), at_5)
            )
    for name, factor in (("--size half as large again", 1.5), ("--size two thirds", 2 / 3)):
        other = _sized(task, subject, factor)
        with other.setting.applied():
            resized = Subject.of(other)
            answers = answered(resized.learned(0), resized.encoder)
            found.append(Effect(name, at_5, outcome_of(subject, answers, 0.05)))
    return tuple(found)


def _sized(task: Task, subject: Subject, factor: float) -> Task:
    config = subject.encoder.config
    multiple = SIZES[config.encoder].multiple
    width, height = (
        multiple * round(factor * side / multiple) for side in (config.width, config.height)
    )
    values = {**task.setting.values, SIZE: f"{width}x{height}"}
    return replace(task, setting=replace(task.setting, values=values))


def outcome_of(subject: Subject, answers: Answers, alpha: float) -> Outcome:
    """What a model does to the tested pictures at a rate of rejected good ones."""
    limits = {alpha: limits_of(answers.good, alpha)}
    (rates,) = rates_of(limits, answers.scores, answers.peaks, subject.defective)
    auroc = float(roc_auc_score(subject.defective, answers.scores))
    return Outcome(rates.found, rates.rejected, auroc)


def report(found: Mapping[str, Sequence[Effect]]) -> str:
    """A row for each remedy, on all sets and on those that find few without it."""
    head = ["remedy", "sets", "found", "good rejected", "image AUROC", "better", "worse"]
    every = [effect for effects in found.values() for effect in effects]
    rows = []
    for remedy in dict.fromkeys(effect.remedy for effect in every):
        all_sets = [effect for effect in every if effect.remedy == remedy]
        few = [effect for effect in all_sets if effect.before.found < FEW_FOUND]
        rows += [_row(remedy, "all", all_sets), _row(remedy, "under half found", few)]
    return markdown(head, [row for row in rows if row])


def _row(remedy: str, which: str, effects: Sequence[Effect]) -> list[str]:
    if not effects:
        return []
    return [
        remedy,
        f"{which}: {len(effects)}",
        _change(effects, lambda outcome: outcome.found, ".1%"),
        _change(effects, lambda outcome: outcome.rejected, ".1%"),
        _change(effects, lambda outcome: outcome.auroc, ".3f"),
        str(sum(effect.gain > POINTS for effect in effects)),
        str(sum(effect.gain < -POINTS for effect in effects)),
    ]


def _change(effects: Sequence[Effect], of: Callable[[Outcome], float], form: str) -> str:
    before = fmean(of(effect.before) for effect in effects)
    after = fmean(of(effect.after) for effect in effects)
    return f"{before:{form}} → {after:{form}}"
