"""What each rule for thresholds gives on the kept scores of a result; nothing is fitted anew.

Four choices of `export/takt_export/calibration` are judged here: how good pictures make the
thresholds (`cross_conformal.py`), how few of them do, as a trained model's that were held back
(`thresholds.py`), which good pictures are called odd (`odd_pictures.py`), and how known defects
make them (`rules.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.figures import ALPHAS
from benchmarks.corpus.measuring import Scores
from benchmarks.corpus.table import markdown
from takt.core.bundles.conformal import (
    Alpha,
    calibrate,
    conformal_rank,
    conformal_threshold,
    needed_for,
)
from takt.core.bundles.levels import TAIL_FROM, Scale
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.tradeoff import best_f1
from takt.core.bundles.witnesses import anomalous
from takt_export.bundling.measure import PictureScores
from takt_export.calibration import cross_conformal
from takt_export.calibration.cross_conformal import joint_thresholds, threshold_of
from takt_export.calibration.odd_pictures import FAR, USUAL_SHARE, odd_pictures
from takt_export.calibration.outliers import UsualTail, outlying
from takt_export.calibration.rules import candidates

Values = NDArray[np.float32]
Rule = Callable[[Values, Values, float], ThresholdPair]
"""Scores and peaks [n] of good pictures, and α -> both thresholds."""

FEW = (25, 40, 80)
"""Numbers of good pictures as a trained model holds them back."""

DRAWS = 40
"""Ways in which so few are drawn."""

HALVES = 20
"""Ways in which the tested pictures are halved for the rules that know defects."""


def by_levels(
    scores: Values,
    peaks: Values,
    alpha: float,
    *,
    expected: float = cross_conformal.EXPECTED,
    robust_to: float | None = None,
    outliers: bool = False,
) -> ThresholdPair:
    """Joint thresholds as `joint_thresholds` finds them, with other constants.

    Args:
        scores: scores [n] of good pictures.
        peaks: their peaks.
        alpha: false-reject rate.
        expected: fewest pictures above a threshold that is a picture's own level.
        robust_to: quantile beyond which values tell nothing of the tail but that they are there;
            None if all are taken as they are.
        outliers: whether pictures that are taken for outliers count.
    """
    of_score, of_peak = Scale.of(scores), Scale.of(peaks)
    levels = np.maximum(of_score.levels(scores), of_peak.levels(peaks))
    if not outliers:
        levels = levels[~(outlying(scores) | outlying(levels))]
    levels = np.sort(levels)
    if (len(levels) + 1) * alpha >= expected:
        level = float(levels[conformal_rank(len(levels), alpha) - 1])
    elif robust_to is None:
        level = cross_conformal.tail_level(levels, alpha)
    else:
        level = _censored(levels, alpha, robust_to)
    return ThresholdPair(of_score.value(level), of_peak.value(level))


def score_alone(scores: Values, peaks: Values, alpha: float) -> ThresholdPair:
    """The score decides, by its own tail or rank; the map never does."""
    return ThresholdPair(threshold_of(scores, alpha), math.inf)


def score_by_rank(scores: Values, peaks: Values, alpha: float) -> ThresholdPair:
    """The score decides, by its rank alone, as in split conformal prediction."""
    return ThresholdPair(conformal_threshold(scores, alpha), math.inf)


def map_alone(scores: Values, peaks: Values, alpha: float) -> ThresholdPair:
    """The map decides, by its own tail or rank; the score never does."""
    return ThresholdPair(math.inf, threshold_of(peaks, alpha))


RULES: Mapping[str, Rule] = {
    "shipped: either, tail below 4": joint_thresholds,
    "either, tail below 4, with outliers": partial(by_levels, outliers=True),
    "either, tail below 2": partial(by_levels, expected=2),
    "either, tail below 8": partial(by_levels, expected=8),
    "either, tail always": partial(by_levels, expected=math.inf),
    "either, tail always, without the top tenth": partial(
        by_levels, expected=math.inf, robust_to=0.9, outliers=True
    ),
    "either, by rank alone (takt calibrate)": calibrate,
    "score alone, tail below 4": score_alone,
    "score alone, by rank": score_by_rank,
    "map alone, tail below 4": map_alone,
}


def report(scores: Mapping[str, Scores]) -> str:
    """The tables of all three choices, for people."""
    parts = [text for alpha in ALPHAS for text in _of_good(scores, alpha)]
    return "\n\n".join([*parts, _of_few(scores), _of_odd(scores), _of_defects(scores)])


def rates(one: Scores, rule: Rule, alpha: float) -> tuple[float, float]:
    """Shares of the defective and of the good tested pictures that a rule rejects, over seeds."""
    found, rejected = [], []
    for seed in range(len(one.scores)):
        pair = rule(one.good_scores[seed], one.good_peaks[seed], alpha)
        over = anomalous(pair, one.scores[seed], one.peaks[seed])
        found.append(over[one.defective].mean())
        rejected.append(over[~one.defective].mean())
    return fmean(found), fmean(rejected)


def chosen(merits: Mapping[str, Mapping[str, float]], without: str | None = None) -> str:
    """The rule with the highest mean merit over the sets, all or all but one.

    >>> merits = {"old": {"a": 0.9, "b": 0.5}, "new": {"a": 0.6, "b": 0.7}}
    >>> chosen(merits), chosen(merits, without="a")
    ('old', 'new')
    """
    return max(
        merits, key=lambda rule: fmean(v for name, v in merits[rule].items() if name != without)
    )


def _chosen(merits: Mapping[str, Mapping[str, float]]) -> str:
    """What all sets choose, and which absence would choose otherwise."""
    of_all, names = chosen(merits), list(next(iter(merits.values())))
    absent = {name: chosen(merits, name) for name in names} if len(names) > 1 else {}
    other = [f"{name} ({rule})" for name, rule in absent.items() if rule != of_all]
    return f"all choose {of_all}; without one of these another: {', '.join(other) or 'none'}"


def _of_good(scores: Mapping[str, Scores], alpha: float) -> list[str]:
    """Found and rejected by each rule on each set, and what leaving each set out would choose."""
    enough = {n: one for n, one in scores.items() if one.good_scores.shape[1] >= needed_for(alpha)}
    if not enough:
        return [f"α = {alpha:.0%}: no set has {needed_for(alpha)} good parts"]
    known = {
        rule: {name: rates(one, find, alpha) for name, one in enough.items()}
        for rule, find in RULES.items()
    }
    rows = [
        [rule, *(f"{100 * f:.0f} / {100 * r:.1f}" for f, r in row.values()), *_summary(row)]
        for rule, row in known.items()
    ]
    # A rule that finds more by rejecting more has chosen another α: what exceeds α is taken off.
    merits = {
        rule: {name: f - max(0.0, r - alpha) for name, (f, r) in row.items()}
        for rule, row in known.items()
    }
    head = ["found / rejected, %", *enough, "mean found", "worst found", "mean rejected"]
    return [
        f"α = {alpha:.0%}\n\n{markdown(head, rows)}",
        f"by what is found less what is rejected above α {_chosen(merits)}",
    ]


def _summary(row: Mapping[str, tuple[float, float]]) -> list[str]:
    found, rejected = zip(*row.values(), strict=True)
    return [f"{100 * fmean(found):.1f}", f"{100 * min(found):.1f}", f"{100 * fmean(rejected):.2f}"]


def _of_few(scores: Mapping[str, Scores]) -> str:
    """Found and rejected by thresholds of few good pictures at 5 %, first seed."""
    rules: Mapping[str, Rule] = {
        "either, by rank alone (shipped)": calibrate,
        "either, tail below 4": joint_thresholds,
        "score alone, by rank": score_by_rank,
    }
    rows = []
    for few in FEW:
        enough = {name: one for name, one in scores.items() if one.good_scores.shape[1] >= few}
        for rule, find in rules.items() if enough else ():
            row = {name: _drawn(one, few, find) for name, one in enough.items()}
            shares = [
                f"{100 * row[name][0]:.0f} / {100 * row[name][1]:.1f}" if name in row else "–"
                for name in scores
            ]
            rows.append([str(few), rule, *shares, *_summary(row)])
    head = ["of", "found / rejected, %", *scores, "mean found", "worst found", "mean rejected"]
    return f"Few good pictures, α = 5 %, {DRAWS} draws\n\n{markdown(head, rows)}"


def _drawn(one: Scores, few: int, rule: Rule) -> tuple[float, float]:
    found, rejected = [], []
    for draw in range(DRAWS):
        some = np.random.default_rng(draw).permutation(one.good_scores.shape[1])[:few]
        pair = rule(one.good_scores[0][some], one.good_peaks[0][some], 0.05)
        over = anomalous(pair, one.scores[0], one.peaks[0])
        found.append(over[one.defective].mean())
        rejected.append(over[~one.defective].mean())
    return fmean(found), fmean(rejected)


def _of_odd(scores: Mapping[str, Scores]) -> str:
    """Good pictures called odd on each set, for several distances."""
    rows = []
    for far in (2, 3, FAR, 6):
        counts = [
            fmean(_odd(one.good_scores[seed], far) for seed in range(len(one.good_scores)))
            for one in scores.values()
        ]
        shipped = " (shipped)" if far == FAR else ""
        rows.append([f"{far}{shipped}", *(f"{count:.1f}" for count in counts)])
    return "Good pictures called odd, by how far above\n\n" + markdown(["far", *scores], rows)


def _odd(scores: Values, far: float) -> int:
    if far == FAR:
        found = odd_pictures(scores, [None] * len(scores), lambda some: float(some.max()))
        return 0 if found is None else len(found.names)
    usual, most = np.quantile(scores, (0.5, USUAL_SHARE), method="inverted_cdf")
    return int((scores > usual + far * (most - usual)).sum())


def _of_defects(scores: Mapping[str, Scores]) -> str:
    """Best F1 of the pair beside that of the score, chosen on one half and judged by the other."""
    rows: dict[str, list[float]] = {"both together (shipped)": [], "score alone": []}
    for one in scores.values():
        pairs = [_halved(one, half) for half in range(HALVES)]
        for name, values in zip(rows, zip(*pairs, strict=True), strict=True):
            rows[name].append(fmean(values))
    table = [
        [name, *(f"{value:.3f}" for value in row), f"{fmean(row):.3f}", f"{min(row):.3f}"]
        for name, row in rows.items()
    ]
    merits = {name: dict(zip(scores, row, strict=True)) for name, row in rows.items()}
    return (
        "Best F1 of known defects, on the half that did not choose\n\n"
        + markdown(["rule", *scores, "mean", "worst"], table)
        + f"\n\nby this {_chosen(merits)}"
    )


def _halved(one: Scores, half: int) -> tuple[float, float]:
    """F1 of both rules on the half of the tested pictures that chose nothing, first seed."""
    order = np.random.default_rng(half).permutation(len(one.defective))
    choosing, judged = order[::2], order[1::2]
    good, bad = (
        _pictures(one, choosing[one.defective[choosing] == kind]) for kind in (False, True)
    )
    until_now = ThresholdPair(math.inf, math.inf)
    both = next(
        found
        for found in candidates(until_now, good, bad, Alpha(0.5), None)
        if found.rule == "best-f1"
    )
    alone = ThresholdPair(best_f1(good.score, bad.score), math.inf)
    return _f1(one, judged, ThresholdPair(both.image, both.pixel)), _f1(one, judged, alone)


def _f1(one: Scores, judged: NDArray[np.intp], pair: ThresholdPair) -> float:
    over = anomalous(pair, one.scores[0][judged], one.peaks[0][judged])
    truth = one.defective[judged]
    return float(2 * (over & truth).sum() / max(1, over.sum() + truth.sum()))


def _pictures(one: Scores, chosen_: NDArray[np.intp]) -> PictureScores:
    unknown = np.full(len(chosen_), np.nan, np.float32)
    return PictureScores(one.scores[0][chosen_], one.peaks[0][chosen_], unknown, 0.0, smaller=0)


def _censored(levels: NDArray[np.float64], alpha: float, quantile: float) -> float:
    """The tail's level of which the values beyond a quantile say only that they are there."""
    tail = UsualTail.of(levels, (TAIL_FROM, quantile))
    assert tail is not None, "levels of good pictures differ"
    return tail.start + tail.unit * math.log(tail.share / alpha)
