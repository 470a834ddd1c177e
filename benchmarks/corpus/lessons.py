"""What came of teaching: figures, the bars that they are held to, and the tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.table import NONE, markdown

BARS = {5: 0.15, 10: 0.25, 20: 0.33}
"""Least share of the missed defects that a head finds, mean over the sets, by judged defects."""

FEWEST_MISSED = 8
"""Fewest missed defects in a set's test for the set to count."""

MOST_LOST = 0.02
"""Largest loss of found defects that a set may have, if it is beyond two standard errors."""

REMAINS = 0.5
"""Least share of the gain that remains where some judgements are wrong."""

ALLOWED_MEAN = 0.005
"""By how much the mean of rejected good parts may exceed α."""


@dataclass(frozen=True)
class Lesson:
    """What heads do to a set at one α, each taught by one draw of so many judged defects.

    Attributes:
        alpha: the false-reject rate.
        count: number of judged defects.
        judged: number of them where all are fewer.
        tested: number of defects in the test.
        missed: number of those that the bank alone misses.
        found: share of the missed ones that is found, by draw; empty if none is missed.
        change: of the share of the test that is found, by draw.
        chance: two standard errors of its mean, for another test of as many defects.
        rejected_before: share of the good pictures that the bank alone rejects.
        rejected: share that bank and head reject, by draw.
    """

    alpha: float
    count: int
    judged: int
    tested: int
    missed: int
    found: tuple[float, ...]
    change: tuple[float, ...]
    chance: float
    rejected_before: float
    rejected: tuple[float, ...]

    @classmethod
    def of(
        cls,
        alpha: float,
        count: int,
        judged: int,
        before: NDArray[np.bool_],
        after: NDArray[np.bool_],
        tested: int,
    ) -> Lesson:
        """The figures of verdicts.

        Args:
            alpha: the false-reject rate.
            count: number of judged defects.
            judged: number of them where all are fewer.
            before: which pictures the bank alone rejects, the defects of the test first, [m].
            after: which are rejected with the head of each draw, [d,m].
            tested: number of defects in the test.
        """
        known, now = before[:tested], after[:, :tested]
        missed = ~known
        found = now[:, missed].mean(1).tolist() if missed.any() else ()
        return cls(
            alpha,
            count,
            judged,
            tested,
            int(missed.sum()),
            tuple(found),
            tuple((now.mean(1) - known.mean()).tolist()),
            two_errors((now.mean(0) - known).tolist()),
            float(before[tested:].mean()),
            tuple(after[:, tested:].mean(1).tolist()),
        )

    @property
    def counts(self) -> bool:
        """Whether the bank misses enough for a share to say something."""
        return self.missed >= FEWEST_MISSED

    @property
    def loses(self) -> bool:
        """Whether less is found than without the head, by more than the draws' chance."""
        mean = fmean(self.change)
        return mean < -MOST_LOST and mean < -two_errors(self.change)


@dataclass(frozen=True)
class WrongLesson:
    """The same draws with right judgements, and with some wrong ones.

    Attributes:
        right: all judged pictures show defects.
        wrong: some of them show good parts.
    """

    right: Lesson
    wrong: Lesson


@dataclass(frozen=True)
class SplitRates:
    """Shares of good parts that are rejected by what other good parts make.

    Attributes:
        alpha: the false-reject rate.
        parts: number of those other parts.
        both: by bank and head, for each split.
        bank: by the bank alone.
    """

    alpha: float
    parts: int
    both: tuple[float, ...]
    bank: tuple[float, ...]


@dataclass(frozen=True)
class TaughtFigures:
    """The figures of a set.

    Attributes:
        name: of the set.
        parts: number of good parts that make head and thresholds.
        lessons: for each α and number of judged defects.
        wrong: for each α; empty if it was not asked for.
        splits: for each α for which half the parts are enough; None if it was not asked for.
    """

    name: str
    parts: int
    lessons: tuple[Lesson, ...]
    wrong: tuple[WrongLesson, ...] = ()
    splits: tuple[SplitRates, ...] | None = None


def two_errors(values: Sequence[float]) -> float:
    """Two standard errors of the mean; 0 of a single value."""
    return 2 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def mean_found(lessons: Sequence[Lesson]) -> float | None:
    """The share of the missed defects that is found, mean over the lessons that count."""
    counted = [fmean(one.found) for one in lessons if one.counts]
    return fmean(counted) if counted else None


def report(found: Mapping[str, TaughtFigures]) -> str:
    """All tables that there are figures for."""
    parts = [_of_sets(found), _of_means(found)]
    if any(one.wrong for one in found.values()):
        parts.append(_of_wrong(found))
    if any(one.splits is not None for one in found.values()):
        parts.append(_of_splits(found))
    return "\n\n".join(parts)


def _of_sets(found: Mapping[str, TaughtFigures]) -> str:
    head = ["set", "parts", "α", "judged", "missed", "found of them", "change", "good rejected"]
    rows = [
        [
            name,
            str(one.parts),
            f"{lesson.alpha:.0%}",
            str(lesson.judged),
            f"{lesson.missed} of {lesson.tested}",
            _spread(lesson.found) if lesson.found else NONE,
            _spread(lesson.change, sign="+"),
            f"{lesson.rejected_before:.1%} → {fmean(lesson.rejected):.1%}",
        ]
        for name, one in found.items()
        for lesson in one.lessons
    ]
    return markdown(head, rows)


def _of_means(found: Mapping[str, TaughtFigures]) -> str:
    head = ["α", "judged", "sets", "found of the missed, mean", "bar", "good rejected, all sets"]
    rows, losing = [], []
    for (alpha, count), lessons in _by_kind([one.lessons for one in found.values()]).items():
        mean, bar = mean_found(lessons), BARS[count]
        before = fmean(one.rejected_before for one in lessons)
        after = fmean(fmean(one.rejected) for one in lessons)
        rows.append(
            [
                f"{alpha:.0%}",
                str(count),
                str(sum(one.counts for one in lessons)),
                NONE if mean is None else f"{mean:.1%}",
                NONE if mean is None else f"{bar:.0%} {_met(mean >= bar)}",
                f"{before:.1%} → {after:.1%}",
            ]
        )
    for name, one in found.items():
        losing += [
            f"{name} loses at {lesson.alpha:.0%} with {lesson.judged}: {_spread(lesson.change)} by "
            f"draws; its {lesson.tested} defects leave ± {100 * lesson.chance:.1f}"
            for lesson in one.lessons
            if lesson.loses
        ]
    return "\n".join([markdown(head, rows), "", *(losing or ["no set loses"])])


def _of_wrong(found: Mapping[str, TaughtFigures]) -> str:
    head = ["α", "sets", "found, all judgements right", "found, a tenth wrong", "remains", "bar"]
    rows = []
    pairs = [pair for one in found.values() for pair in one.wrong]
    for alpha in dict.fromkeys(pair.right.alpha for pair in pairs):
        counted = [pair for pair in pairs if pair.right.alpha == alpha and pair.right.counts]
        if not counted:
            continue
        right = fmean(fmean(pair.right.found) for pair in counted)
        wrong = fmean(fmean(pair.wrong.found) for pair in counted)
        remains = wrong / right if right else math.nan
        rows.append(
            [
                f"{alpha:.0%}",
                str(len(counted)),
                f"{right:.1%}",
                f"{wrong:.1%}",
                f"{remains:.0%}",
                f"{REMAINS:.0%} {_met(remains >= REMAINS)}",
            ]
        )
    of_sets = [
        f"{name} at {pair.right.alpha:.0%}: {_spread(pair.right.found)} becomes "
        f"{_spread(pair.wrong.found)}, all {_spread(pair.wrong.change, sign='+')}"
        for name, one in found.items()
        for pair in one.wrong
        if pair.right.found
    ]
    return "\n".join([markdown(head, rows) if rows else "no set counts", "", *of_sets])


def _of_splits(found: Mapping[str, TaughtFigures]) -> str:
    head = ["set", "α", "calibrating parts", "bank alone", "bank and head"]
    every = [(name, split) for name, one in found.items() for split in one.splits or ()]
    if not every:
        return "every set has too few good parts for a half of them to make thresholds"
    rows = [
        [
            name,
            f"{split.alpha:.0%}",
            str(split.parts),
            _spread(split.bank, digits=2),
            _spread(split.both, digits=2),
        ]
        for name, split in every
    ]
    lines = []
    for alpha in dict.fromkeys(split.alpha for _, split in every):
        some = {name: split for name, split in every if split.alpha == alpha}
        bank = fmean(fmean(one.bank) for one in some.values())
        both = fmean(fmean(one.both) for one in some.values())
        lines.append(
            f"at {alpha:.0%}, {len(some)} sets: the bank alone rejects {bank:.2%}, bank and head "
            f"{both:.2%}; bar {alpha + ALLOWED_MEAN:.1%} {_met(both <= alpha + ALLOWED_MEAN)}; too "
            f"few good parts: {', '.join(name for name in found if name not in some) or 'none'}"
        )
    return "\n".join([markdown(head, rows), "", *lines])


def _by_kind(lessons: Sequence[Sequence[Lesson]]) -> dict[tuple[float, int], list[Lesson]]:
    """Lessons of all sets by α and number of judged defects."""
    found: dict[tuple[float, int], list[Lesson]] = {}
    for one in chain.from_iterable(lessons):
        found.setdefault((one.alpha, one.count), []).append(one)
    return found


def _spread(values: Sequence[float], *, sign: str = "", digits: int = 1) -> str:
    return f"{fmean(values):{sign}.{digits}%} ± {100 * two_errors(values):.{digits}f}"


def _met(met: bool) -> str:
    return "met" if met else "MISSED"
