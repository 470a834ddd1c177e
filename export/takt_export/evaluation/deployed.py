"""Thresholds that a model is deployed with, and their origin."""

from __future__ import annotations

from dataclasses import dataclass

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import OVERRIDES, in_force, read_overrides


@dataclass(frozen=True)
class AppliedThresholds:
    """Thresholds in force for a model.

    Attributes:
        image: a picture is anomalous if its score is greater.
        pixel: a map cell is anomalous if its value is greater.
        image_from: origin of the threshold of scores, in words.
        pixel_from: origin of the threshold of map values, in words.
        undecided: whether a picture that cannot be judged is undecided, which rejects it.
    """

    image: float
    pixel: float
    image_from: str
    pixel_from: str
    undecided: bool = False


def deployed_beside(bundle: Bundle) -> AppliedThresholds:
    """Thresholds of a bundle's folder.

    Raises:
        BundleError: the file of thresholds set at the line is damaged.
    """
    overrides = read_overrides(bundle.path, bundle.repository)
    thresholds = in_force(bundle, overrides)

    def told(overridden: bool) -> str:
        own = bundle.manifest.thresholds.method
        return f"set at the line ({OVERRIDES})" if overridden else own

    return AppliedThresholds(
        image=thresholds.image,
        pixel=thresholds.pixel,
        image_from=told(overrides.image is not None),
        pixel_from=told(overrides.pixel is not None),
        undecided=thresholds.undecided,
    )
