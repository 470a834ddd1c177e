"""Thresholds from out-of-fold scores: each good picture scored by a model that has not seen it.

R_1 … R_n are the scores of n good pictures, each by a model that is made like the served one, of
its size, but of the pictures of the other folds alone. A part of the line is scored by a model
that has seen one fold more, so that its scores are distributed like R, or a little lower.

Two witnesses speak: the score, and the highest value of the map. Each is put on a scale of its own
by the good pictures: from its 70 % quantile q on, in units of the mean excess over it,

    level(x) = (x - q) / b,    b = mean of (x - q) over the pictures with x > q.

A picture's level is the higher of both, and the threshold c is one of levels: a picture is
anomalous if either witness exceeds q + b·c. So both thresholds have one false-reject rate, α.

- **Many pictures**, of which α leaves `EXPECTED` or more above c: c is the r-th smallest of the n
  levels, r = ⌈(n + 1)(1 - α)⌉, as if they were scores of unseen pictures (cross-conformal
  prediction: Vovk, 2015).
- **Few pictures**: r is the last or the last but one, and a single odd picture makes the threshold,
  which then finds nothing. Above a high quantile most distributions fall about exponentially
  (Pickands, 1975; Balkema and de Haan, 1974). With k the number of pictures above the 70 % quantile
  u of the levels, p their share, and m their mean excess over it: c = u + m·k·((p/α)^(1/k) - 1),
  which a further picture exceeds with a rate of α if the tail is exponential and m, as here, was
  only estimated from k excesses; for many k that is u + m·log(p/α).
- **Outliers** among the pictures count for neither (`outliers.py`).

**Proven**: nothing. The served model may score a good part higher than the models of the folds do,
and the statistics of places and levels come from the same pictures. **Measured**, on six sets of
real pictures by `benchmarks.false_rejects`: `docs/calibration.md` has the rates.

Near-copies are one picture, with the highest distance of them at each place. Pictures of one part,
or of one lot, lie in one fold: none is scored by a model that knows another, and each counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.conformal import Alpha, calibrate, conformal_rank
from takt.core.bundles.levels import Scale, levels_of
from takt.core.bundles.manifest import Thresholds
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.witnesses import anomalous
from takt_export.calibration.outliers import outliers, outlying

METHOD = "cross-conformal"
TAIL_METHOD = "exponential tail"

EXPECTED = 4
"""Fewest pictures above a threshold that the pictures themselves give, not the tail's shape."""

ScoreOf = Callable[[NDArray[np.float32]], float]
"""Values of the cells of a map that count, [m] -> the score of the picture."""


@dataclass(frozen=True)
class HeadLevels:
    """What a head says of n good pictures that it has not seen, beside what the bank says.

    Attributes:
        level: on the bank's own scales, [n].
        bank_score: the bank's scores [n].
        bank_peak: the highest values of its maps, [n].
    """

    level: NDArray[np.float64]
    bank_score: NDArray[np.float32]
    bank_peak: NDArray[np.float32]

    @property
    def of_bank(self) -> NDArray[np.float64]:
        """The bank's own levels [n]."""
        of_score, of_peak = Scale.of(self.bank_score), Scale.of(self.bank_peak)
        return levels_of(self.bank_score, self.bank_peak, of_score, of_peak)

    def level_at(self, alpha: float) -> Level:
        """The level that good pictures exceed with a rate of α by bank and head together.

        Raises:
            CalibrationError: the pictures are too few.
        """
        levels = np.maximum(self.level, self.of_bank)
        left_out = outliers(self.bank_score, self.bank_peak) | outlying(levels)
        return level_at(levels, left_out, alpha)


@dataclass(frozen=True)
class OutOfFoldScores:
    """Scores and map values of n good pictures, each by a model that has not seen its fold.

    Attributes:
        digests: `picture_digest` of each.
        score: float32 [n].
        peak: the highest value of each map, float32 [n].
        map_median: median of all map values that count.
        folds: number of folds.
        cells: map values that count of each picture, float32 [n,m].
        score_of: the model's score of a picture by the values of its cells that count.
        head: what a head that has not seen them says of the pictures, as a level of the bank's
            scales, [n]; score and peak have it in them already. None without a head.
        files: names of the pictures' files by their digests, where the fit has kept them.
        lots: name of each picture's lot, of which its model has seen none; empty where lots were
            not held apart.
    """

    digests: tuple[str, ...]
    score: NDArray[np.float32]
    peak: NDArray[np.float32]
    map_median: float
    folds: int
    cells: NDArray[np.float32]
    score_of: ScoreOf
    head: HeadLevels | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    lots: tuple[str, ...] = ()

    def of(self, digests: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean of the map and score of pictures, each [n], by their digests.

        A head moves the map's mean in a way that is not known out of fold; it is NaN then.
        """
        at = {digest: row for row, digest in enumerate(self.digests)}
        rows = [at[digest] for digest in digests]
        level = self.cells[rows].mean(axis=1)
        return level if self.head is None else np.full_like(level, np.nan), self.score[rows]

    def altered(self, digest: str, cells: NDArray[np.float32]) -> tuple[float, float]:
        """Score and peak that a picture would have out of fold if it were altered.

        What is served knows the picture, and little of it is left in its map; a defective part of
        the line is another picture. So each cell has the higher one of both values: of the altered
        picture by what is served, and of the picture as it is, out of fold.

        Args:
            digest: of the picture.
            cells: map values of the altered picture that count, by the served model [m].
        """
        unseen = np.maximum(self.cells[self.digests.index(digest)], cells)
        return self.score_of(unseen), float(unseen.max())


def scores_with_head(scores: OutOfFoldScores, level: NDArray[np.float64]) -> OutOfFoldScores:
    """The scores of a bank, with what a head says of the same pictures, [n]."""
    of_score, of_peak = Scale.of(scores.score), Scale.of(scores.peak)
    return replace(
        scores,
        score=np.maximum(scores.score, of_score.values(level)),
        peak=np.maximum(scores.peak, of_peak.values(level)),
        head=HeadLevels(level, scores.score, scores.peak),
    )


@dataclass(frozen=True)
class JointThresholds:
    """Both thresholds, and how they were found.

    Attributes:
        pair: the thresholds.
        method: `METHOD` or `TAIL_METHOD`.
        outliers: number of pictures that were left out.
    """

    pair: ThresholdPair
    method: str
    outliers: int = 0


def cross_conformal(scored: OutOfFoldScores, alpha: Alpha) -> Thresholds:
    """Both thresholds, and what they rest on.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    found = _found(scored, alpha.value)
    count = len(scored.score)
    notes = [
        f"{count} good pictures in {scored.folds} folds, each scored by a model that has not seen "
        + (
            f"its own fold, nor its lot, of {len({*scored.lots})}"
            if scored.lots
            else "its own fold"
        )
    ]
    if found.outliers:
        rejected = int(anomalous(found.pair, scored.score, scored.peak).sum())
        notes.append(
            f"{found.outliers} of them, more than of good pictures would, score far above the "
            f"others: they do not count for the threshold, which rejects {rejected} of all {count}"
        )
    return Thresholds(
        image=found.pair.image,
        pixel=found.pair.pixel,
        method=found.method,
        promise="measured",
        alpha=alpha.value,
        good_count=count,
        notes=(*notes, *alpha.notes),
    )


def thresholds_at(scored: OutOfFoldScores, alpha: float) -> ThresholdPair:
    """Both thresholds at a false-reject rate.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    return _found(scored, alpha).pair


def _found(scored: OutOfFoldScores, alpha: float) -> JointThresholds:
    if scored.head is None:
        return _joint(scored.score, scored.peak, alpha)
    return headed(scored.head, alpha)


def few_above(count: int, alpha: float) -> bool:
    """Whether α leaves so few of the pictures above a threshold that the tail's shape gives it.

    >>> few_above(200, 0.01), few_above(200, 0.05)
    (True, False)
    """
    return (count + 1) * alpha < EXPECTED


def threshold_of(scores: NDArray[np.float32], alpha: float) -> float:
    """The threshold of the scores [n] of good pictures if the map said nothing.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    return joint_thresholds(scores, scores, alpha).image


def joint_thresholds(
    scores: NDArray[np.float32], peaks: NDArray[np.float32], alpha: float
) -> ThresholdPair:
    """Both thresholds, which good pictures exceed with a rate of about α together.

    Args:
        scores: scores [n] of good pictures, by models that have not seen them.
        peaks: the highest map value of each [n].
        alpha: false-reject rate.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    return _joint(scores, peaks, alpha).pair


def _joint(
    scores: NDArray[np.float32], peaks: NDArray[np.float32], alpha: float
) -> JointThresholds:
    conformal_rank(len(scores), alpha)  # Refuses too few.
    of_score, of_peak = Scale.of(scores), Scale.of(peaks)
    finite = np.isfinite(scores).all() and np.isfinite(peaks).all()
    if not finite or min(of_score.unit, of_peak.unit) <= 0:
        # Too few pictures, or all alike: they have no tail. What is not finite is refused there.
        method = TAIL_METHOD if few_above(len(scores), alpha) else METHOD
        return JointThresholds(calibrate(scores, peaks, alpha), method)
    levels = levels_of(scores, peaks, of_score, of_peak)
    return level_at(levels, outliers(scores, peaks), alpha).thresholds(of_score, of_peak)


def headed(head: HeadLevels, alpha: float) -> JointThresholds:
    """Both thresholds of a bank and a head together, on the scales of the bank alone.

    A picture that the bank alone takes for an outlier stays one: where the head says much of many
    pictures, the tail of both hides it.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    of_score, of_peak = Scale.of(head.bank_score), Scale.of(head.bank_peak)
    return head.level_at(alpha).thresholds(of_score, of_peak)


@dataclass(frozen=True)
class Level:
    """A level that good pictures exceed with some rate.

    Attributes:
        value: the level.
        method: `METHOD` or `TAIL_METHOD`.
        outliers: number of pictures that were left out.
    """

    value: float
    method: str
    outliers: int

    def thresholds(self, of_score: Scale, of_peak: Scale) -> JointThresholds:
        """Both thresholds at this level of both scales."""
        pair = ThresholdPair(image=of_score.value(self.value), pixel=of_peak.value(self.value))
        return JointThresholds(pair, self.method, self.outliers)


def level_at(levels: NDArray[np.float64], left_out: NDArray[np.bool_], alpha: float) -> Level:
    """The level that good pictures exceed with a rate of α.

    Args:
        levels: of good pictures, [n].
        left_out: which of them are outliers, [n].
        alpha: false-reject rate.

    Raises:
        CalibrationError: the pictures are too few.
    """
    conformal_rank(len(levels), alpha)
    usual = np.sort(levels[~left_out])
    count = len(levels) - len(usual)
    if few_above(len(usual), alpha):
        return Level(tail_level(usual, alpha), TAIL_METHOD, count)
    return Level(float(usual[conformal_rank(len(usual), alpha) - 1]), METHOD, count)


def tail_level(levels: NDArray[np.float64], alpha: float) -> float:
    """The level that a share α of an exponential tail exceeds.

    Args:
        levels: levels [n] of good pictures, of which some exceed the 70 % quantile.
        alpha: false-reject rate.
    """
    scale = Scale.of(levels)
    above = int((levels > scale.start).sum())
    share = above / len(levels)
    if alpha >= share:
        return float(np.quantile(levels, 1 - alpha))
    # By way of the logarithm, which loses no digits where many pictures are above.
    return scale.value(above * math.expm1(math.log(share / alpha) / above))
