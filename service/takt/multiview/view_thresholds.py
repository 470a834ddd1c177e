"""The thresholds of a part's views: together they reject no more good parts than one may.

A part is rejected if any of its n views is. Two witnesses speak of each view, score and peak, and
either rejects. They are brought on a common scale (`takt.core.bundles.levels`), a view's level
is the higher one of both, and the thresholds of a view are those of one level.

**Jointly**, where the views' calibrations share parts: the good pictures of all of them tell which
parts they show (`Calibration.parts`), and m parts are in each. A part's level is the highest of all
its pictures in its views, and every view's level is the ⌈(m + 1)(1 - α)⌉-th smallest of these m. If
the scales were known beforehand, a further good part, exchangeable with the m, would exceed it in
any of its views with a probability of at most α, however its views hang together: it is one
conformal threshold (`takt.core.bundles.conformal`) of one score of the part.

The scales are in truth those of the view's good pictures, so that the rate is measured and not
proven. By the mean of the tail a high picture stretches its own scale and lies the lower on it,
which a further one does not: of random scores of 99 parts 1.4 to 1.6 % would be rejected where 1 %
is asked. So the scales are by quantiles, with which 1.1 % are. Scores out of fold lie above those
of what is served, which outweighs it: with these alone the tail's scale rejects less than α, and
finds more.

**Each view by its share** otherwise: a view's level is the ⌈(N + 1)(1 - α/n)⌉-th smallest of its
own N good pictures. Where each view rejects at most α/n of good parts, all together reject at most
α, however they hang together (Bonferroni's inequality). A bundle's own thresholds would not do:
they let a score or a peak of 1 / (N + 1) more good pictures pass than α, as two joint ranks may be
one higher than they seem, which of n views is n / (N + 1).

Both are measured in `docs/parts.md`.

Views that one model judges are never judged jointly: nothing says which view each of the pictures
that calibrate it is of.

**A single view as its model**: where one view alone is judged by a calibration, at the α of its
model, there is nothing to share, and the thresholds are those by which the model itself judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.conformal import (
    calibrate,
    conformal_rank,
    needed_for,
    smallest_alpha,
)
from takt.core.bundles.levels import Scale, levels_of
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.errors import CalibrationError, TooFewPicturesError
from takt.multiview.recipe import ViewThresholds

Difference = Literal["share", "together", "alpha", "no_promise", "hand", "kept"]
"""Why a view's thresholds are not those of its model: several views share α, each by its share or
all together; its recipe asks for another α than the model was calibrated for; the model's own
promise none; somebody has set the view's; or the recipe keeps what it was saved with.
"""


@dataclass(frozen=True, slots=True)
class _CommonScale:
    """Score and peak of a view's good pictures on a common scale.

    Attributes:
        score: scale of the scores.
        peak: scale of the peaks.
        levels: of the good pictures, [N].
    """

    score: Scale
    peak: Scale
    levels: NDArray[np.float64]

    @classmethod
    def of(
        cls, bundle: Bundle, scale: Callable[[NDArray[np.float32]], Scale]
    ) -> _CommonScale | None:
        """That of a model's calibration; None where its good pictures are all alike, or none."""
        scores, peaks = bundle.calibration.good_score, bundle.calibration.good_peak
        if not len(scores):
            return None
        score, peak = scale(scores), scale(peaks)
        if not min(score.unit, peak.unit) > 0:
            return None
        return cls(score, peak, levels_of(scores, peaks, score, peak))

    def at(self, level: float) -> ThresholdPair:
        """Both thresholds at a level."""
        return ThresholdPair(self.score.value(level), self.peak.value(level))


@dataclass(frozen=True, slots=True)
class _PartsOfView:
    """Which of m parts the good pictures of a view show.

    Attributes:
        pictures: numbers of those that show one of the parts, [n].
        part: number of the part that each of these shows, [n].
        count: number of parts.
    """

    pictures: NDArray[np.intp]
    part: NDArray[np.intp]
    count: int

    @classmethod
    def of(cls, ids: NDArray[np.str_], parts: NDArray[np.str_]) -> _PartsOfView:
        """That of pictures by the ids [N] of their parts, for some parts [m], sorted."""
        pictures = np.flatnonzero(np.isin(ids, parts))
        return cls(pictures, np.searchsorted(parts, ids[pictures]), len(parts))

    def highest(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """The highest level [m] of each part's pictures, by the levels [N] of all of them."""
        found = np.full(self.count, -np.inf)
        np.maximum.at(found, self.part, levels[self.pictures])
        return found


def thresholds_of_views(
    bundles: Sequence[Bundle], alpha: float, in_force: Sequence[ThresholdPair] = ()
) -> tuple[ViewThresholds, ...]:
    """The thresholds of a part's views that a calibration judges, in their order.

    Args:
        bundles: of each view's model.
        alpha: share of good parts that all views together may reject.
        in_force: what each view's model judges by; its own thresholds if nobody has changed them.

    Raises:
        TooFewPicturesError: the calibrations share too few parts for α, and one of them knows too
            few good pictures for α/n.
        CalibrationError: a score is no number.
    """
    if not bundles:
        return ()
    for bundle in bundles:
        check_finite(bundle)
    if len(bundles) == 1 and bundles[0].manifest.thresholds.alpha == alpha:
        return (_as_the_model(bundles[0], *in_force),)
    views = _shared_parts(bundles)
    shared = views[0].count
    out_of_fold = all(one.manifest.thresholds.of_fit for one in bundles)
    scale = Scale.of if out_of_fold else Scale.of_quantiles
    scales = [_CommonScale.of(bundle, scale) for bundle in bundles]
    if shared >= needed_for(alpha) and all(scales):
        return _jointly([one for one in scales if one], views, alpha)
    return tuple(_by_share(bundle, alpha, len(bundles), shared) for bundle in bundles)


def _jointly(
    scales: Sequence[_CommonScale], views: Sequence[_PartsOfView], alpha: float
) -> tuple[ViewThresholds, ...]:
    """The thresholds of views whose calibrations have parts in common."""
    of_views = [view.highest(scale.levels) for scale, view in zip(scales, views, strict=True)]
    of_parts = np.sort(np.max(of_views, axis=0))
    count = len(of_parts)
    level = float(of_parts[conformal_rank(count, alpha) - 1])
    return tuple(
        ViewThresholds(
            *_values(scale.at(level)), "calibration", alpha, len(scale.levels), part_count=count
        )
        for scale in scales
    )


def _as_the_model(bundle: Bundle, in_force: ThresholdPair | None = None) -> ViewThresholds:
    """Those by which a model itself judges; what somebody has set promises nothing."""
    own = bundle.manifest.thresholds
    pair = in_force or own
    if (pair.image, pair.pixel) != (own.image, own.pixel):
        return ViewThresholds(pair.image, pair.pixel, "calibration")
    return ViewThresholds(pair.image, pair.pixel, "calibration", own.alpha, own.good_count)


def why_not_of_the_model(
    view: ViewThresholds, views: int, bundle: Bundle, in_force: ThresholdPair
) -> Difference | None:
    """Why a view is judged by other thresholds than its model judges by; None where it is not.

    Args:
        view: its thresholds.
        views: of its recipe that a calibration judges.
        bundle: of its model.
        in_force: what the model judges by.
    """
    if (view.image, view.pixel) == (in_force.image, in_force.pixel):
        return None
    if view.source == "hand":
        return "hand"
    if view.part_count is not None:
        return "together"
    if views > 1:
        return "share"
    asked = bundle.manifest.thresholds.alpha
    if asked is None:
        return "no_promise"
    return "kept" if view.alpha in (None, asked) else "alpha"


def _by_share(bundle: Bundle, alpha: float, views: int, shared: int) -> ViewThresholds:
    """The thresholds of one of n views at α/n."""
    calibration = bundle.calibration
    known, share = len(calibration.good_score), alpha / views
    if known < needed_for(share):
        raise TooFewPicturesError(_too_few(bundle, alpha, views, shared))
    scale = _CommonScale.of(bundle, Scale.of)
    if scale is None:
        # They have no scale where they are all alike.
        found = calibrate(calibration.good_score, calibration.good_peak, share)
    else:
        found = scale.at(float(np.sort(scale.levels)[conformal_rank(known, share) - 1]))
    return ViewThresholds(*_values(found), "calibration", share, known)


def _values(pair: ThresholdPair) -> tuple[float, float]:
    """Both, as near as float32 has them, which scores and peaks are.

    Else a picture that is at the level itself could lie above by what the way there and back
    rounds, and with it all that are alike.
    """
    return float(np.float32(pair.image)), float(np.float32(pair.pixel))


def _too_few(bundle: Bundle, alpha: float, views: int, shared: int) -> str:
    """What is missing, and the ways out."""
    of, known = bundle.manifest, len(bundle.calibration.good_score)
    together = (
        f" or calibrate each view's own model with pictures of the same {needed_for(alpha)} parts, "
        f"which --group tells (now {shared}),"
        if views > 1
        else ""
    )
    possible = [smallest_alpha(views, known)] if known >= views else []
    possible += [smallest_alpha(1, shared)] if shared else []
    other = f"an alpha of {min(possible):g} or more" if possible else "fewer views"
    return (
        f"{of.name} {of.version} was calibrated with {known} good pictures, and a view of {views} "
        f"at alpha {alpha:g} needs {needed_for(alpha / views)}; calibrate it with as many,"
        f"{together} ask for {other}, or set the view's thresholds by hand"
    )


def _shared_parts(bundles: Sequence[Bundle]) -> list[_PartsOfView]:
    """The parts that every calibration knows, in one order, by the pictures of each view."""
    ids = [bundle.calibration.parts for bundle in bundles]
    shared = reduce(np.intersect1d, ids)
    if len({bundle.manifest.name for bundle in bundles}) < max(2, len(bundles)):
        shared = shared[:0]
    return [_PartsOfView.of(view, shared[shared != ""]) for view in ids]


def check_finite(bundle: Bundle) -> None:
    """Refuse a calibration that no threshold can be found by.

    Raises:
        CalibrationError: a score of a good picture is no finite number.
    """
    calibration = bundle.calibration
    if not all(np.isfinite(one).all() for one in (calibration.good_score, calibration.good_peak)):
        of = bundle.manifest
        raise CalibrationError(
            f"{of.name} {of.version}: a good picture's score is not a finite number; refit the "
            "model, or calibrate it anew"
        )
