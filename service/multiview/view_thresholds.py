"""The thresholds of a part's views: together they reject no more good parts than one may.

A part is rejected if any of its n views is. Where each view rejects at most α/n of good parts, all
together reject at most α, however the views hang together (Bonferroni's inequality). Which views
show one part would have to be known to do better, and a bundle keeps no such thing of its good
pictures.

A bundle's own thresholds (`service.core.bundles.conformal`) let a score or a peak of 1 / (N + 1)
more good pictures pass than α, with N pictures: two joint ranks may be one higher than they seem.
Of n views that is n / (N + 1), as much as α itself where N is just enough. So score and peak are
brought on a common scale first (`service.core.bundles.levels`), and the threshold is one of levels,
the ⌈(N + 1)(1 - α/n)⌉-th smallest. If the scale were known beforehand, a further good picture would
exceed it with a probability of at most α/n, by either witness. It is one of the same pictures, so
that the rate is measured and not proven: `benchmarks.parts.good_parts`.
"""

from __future__ import annotations

import numpy as np

from service.core.bundles.bundle import Bundle
from service.core.bundles.conformal import calibrate, conformal_rank, needed_for
from service.core.bundles.levels import Scale, levels_of
from service.core.bundles.thresholds import ThresholdPair
from service.core.errors import TooFewPicturesError
from service.multiview.recipe import ViewThresholds


def thresholds_of_view(bundle: Bundle, alpha: float, views: int) -> ViewThresholds:
    """The thresholds of one of a part's views, from the calibration of its model.

    Args:
        bundle: of the model.
        alpha: share of good parts that all views together may reject.
        views: how many views are judged by a calibration.

    Raises:
        TooFewPicturesError: the calibration knows too few good pictures for α/n.
        CalibrationError: a score of it is no number.
    """
    calibration = bundle.calibration
    known, share = len(calibration.good_score), alpha / views
    needed = needed_for(share)
    if known < needed:
        of = bundle.manifest
        other = (
            f"an alpha of {views / (known + 1):.3g} or more" if known >= views else "fewer views"
        )
        raise TooFewPicturesError(
            f"{of.name} {of.version} was calibrated with {known} good pictures, and a view of "
            f"{views} at alpha {alpha:g} needs {needed}; calibrate it with as many, ask for "
            f"{other}, or set the view's thresholds by hand"
        )
    scores, peaks = calibration.good_score, calibration.good_peak
    of_score, of_peak = Scale.of(scores), Scale.of(peaks)
    if min(of_score.unit, of_peak.unit) > 0:
        levels = np.sort(levels_of(scores, peaks, of_score, of_peak))
        level = float(levels[conformal_rank(known, share) - 1])
        found = ThresholdPair(of_score.value(level), of_peak.value(level))
    else:
        # They have no scale where they are all alike.
        found = calibrate(scores, peaks, share)
    return ViewThresholds(found.image, found.pixel, "calibration", share, known)
