"""The thresholds of a part's views: together they reject no more good parts than one may.

A part is rejected if any of its n views is. Where each view rejects at most α/n of good parts, all
together reject at most α, however the views hang together (Bonferroni's inequality). Which views
show one part would have to be known to do better, and a bundle keeps no such thing of its good
pictures. What is proven of each view's thresholds is in `service.core.bundles.conformal`.
"""

from __future__ import annotations

from service.core.bundles.bundle import Bundle
from service.core.bundles.conformal import calibrate, needed_for
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
    found = calibrate(calibration.good_score, calibration.good_peak, share)
    return ViewThresholds(found.image, found.pixel, "calibration", share, known)
