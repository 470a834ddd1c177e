"""Thresholds from out-of-fold scores: each good picture scored by a model that has not seen it.

Good pictures lie in K folds of m each, n = K·m in all. R_1 … R_n are their scores, each by the
model without the picture's own fold; s(x) is the score of x by the model that is served, s₋ₖ(x)
that by the model without fold k. The threshold t is the r-th smallest of R_1 … R_n, with the rank
r = ⌈(n + 1)(1 - α)⌉ as if they were scores of unseen pictures (cross-conformal prediction: Vovk,
2015). Let c = n - r, the number of these scores that may lie above it.

**Proven** for a further good picture x that is exchangeable with those, if s(x) ≤ s₋ₖ(x) for every
k (what is served has seen more, and scores lower), and if s₋ₖ depends on nothing in fold k:

    P(s(x) > t) ≤ the smaller of  2(K + c) / (n + K)  and  (2c + m) / (n + m).

The first is below 2α + 2(K - 1) / (n + K), the second below 2α + m / (n + m). With one picture a
fold the second is below 2α. Why:

1. p_k = (1 + the number of R_j in fold k that are at least s₋ₖ(x)) / (m + 1) is a conformal
   p-value: P(p_k ≤ u) ≤ u. So E max(0, 2 - p_k / a) ≤ 2a for any a; as that function is convex, the
   same holds for the mean p̄ of all p_k, hence P(p̄ ≤ a) ≤ 2a. If s(x) > t, at most c of all R_j are
   at least s(x), and no more of them are at least s₋ₖ(x): p̄ ≤ (K + c) / (n + K).
2. Give x a fold of its own, with m - 1 further pictures that nobody took, and let R_ij be the score
   of i by the model without the folds of i and j. The folds must be made alike. Call i strange if
   R_ij > R_ji for r pictures j of other folds. If s(x) > t, x is strange: for r of them
   R_xj = s₋ₖ(x) ≥ s(x) > t ≥ R_j = R_jx. Let S be the strange ones. Each fails to win against at
   most c others, and of two in different folds one at least fails to win, so
   |S|(|S| - m) / 2 ≤ c|S| and |S| ≤ 2c + m. All n + m are equally likely to be in S (Barber,
   Candès, Ramdas and Tibshirani, 2021: the jackknife+ and CV+).

**Measured**, not proven: rates near α and below. The bounds hold for the worst case there can be.
Where the scores hardly change with a fold more or less, the rate is close to α; where they do, it
is lower, since what is served has seen more than what scored. All rates are over the pictures and x
together: a single fit may lie above them.

The same holds for the highest map value in place of the score. Where several pictures show one
part, they lie in one fold, x and the R_i are parts, and the score of a part is that of the highest
value that its pictures have in each cell of the map: no picture of it scores higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.checkpoints.picture_digest import picture_digest
from service.bundles.calibration.conformal import Alpha, calibrate, conformal_rank
from service.bundles.manifest import Thresholds
from service.errors import CalibrationError

METHOD = "cross-conformal"


@dataclass(frozen=True)
class OutOfFoldScores:
    """Scores and map values of n good pictures, each by the model without the picture's own fold.

    Attributes:
        digests: `picture_digest` of each.
        score: float32 [n].
        peak: the highest value of each map, float32 [n].
        map_median: median of all map values that count.
        folds: number of folds, which all have as many of them.
        power: exponent of the power mean over the map that the score is.
    """

    digests: tuple[str, ...]
    score: NDArray[np.float32]
    peak: NDArray[np.float32]
    map_median: float
    folds: int
    power: int

    def altered(self, digest: str, served: float, altered: float) -> float:
        """The score that a picture would have out of fold if it were altered.

        What is served knows the picture, and little of it is left in its score; a defective part
        of the line is another picture. The alteration adds to the power mean's sum what it adds to
        that of the served model.

        Args:
            digest: of the picture.
            served: its score by the served model.
            altered: score of the altered picture by the served model.
        """
        unseen = float(self.score[self.digests.index(digest)])
        added = max(0.0, altered**self.power - served**self.power)
        return float((unseen**self.power + added) ** (1 / self.power))


def proven_rate(alpha: float, count: int, folds: int) -> float:
    """The highest rate at which good pictures exceed a cross-conformal threshold.

    >>> round(proven_rate(0.05, count=200, folds=5), 3)
    0.137

    Args:
        alpha: false-reject rate that was aimed at.
        count: number of out-of-fold scores, a multiple of `folds`.
        folds: number of folds, all of the same size.

    Raises:
        CalibrationError: `alpha` needs more scores.
    """
    above = count - conformal_rank(count, alpha)
    size = count // folds
    by_p_values = 2 * (folds + above) / (count + folds)
    by_tournament = (2 * above + size) / (count + size)
    return min(1.0, by_p_values, by_tournament)


def cross_conformal(scored: OutOfFoldScores, alpha: Alpha) -> Thresholds:
    """Both thresholds, and what is proven of them.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    found = calibrate(scored.score, scored.peak, alpha.value)
    return Thresholds(
        image=found.image,
        pixel=found.pixel,
        method=METHOD,
        alpha=alpha.value,
        proven_rate=proven_rate(alpha.value, len(scored.score), scored.folds),
        good_count=len(scored.score),
        notes=(
            f"{len(scored.score)} good pictures in {scored.folds} folds, each scored by the model "
            "without its own fold",
            *alpha.notes,
        ),
    )


def check_served(
    scored: OutOfFoldScores,
    pictures: Sequence[Path],
    served: NDArray[np.float32],
    allowed: float,
) -> None:
    """Check that the served model scores no picture higher than out of fold, as the proof needs.

    Args:
        scored: the out-of-fold scores.
        pictures: files of pictures that have some.
        served: their scores by the served model [n].
        allowed: largest drift of a score.

    Raises:
        CalibrationError: it scores one higher.
    """
    limits = dict(zip(scored.digests, scored.score.tolist(), strict=True))
    for path, score in zip(pictures, served.tolist(), strict=True):
        limit = limits[picture_digest(path)]
        if score > limit + allowed:
            raise CalibrationError(
                f"the model scores {path} {score:.6g}, and without that picture only {limit:.6g}, "
                "so that the fit's own scores promise nothing; fit it again"
            )
