from __future__ import annotations

from pathlib import Path

import pytest

from takt.core.bundles.bundle import load_bundle
from takt.core.bundles.findings import PictureSizes
from takt.core.domain import WarningCode
from takt.core.pictures.warnings import size_warnings

MANIFEST = load_bundle(Path("examples/models/pitting/1")).manifest
SEEN = PictureSizes(least_width=600, most_width=640, least_height=480, most_height=480)


def warnings_of(
    width: int, height: int, sizes: PictureSizes | None = SEEN
) -> tuple[WarningCode, ...]:
    thresholds = MANIFEST.thresholds.model_copy(update={"sizes": sizes})
    fit = MANIFEST.fit.model_copy(update={"sizes": None})
    manifest = MANIFEST.model_copy(update={"thresholds": thresholds, "fit": fit})
    return size_warnings(manifest, width, height)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), ()),
        ((690, 520), ()),
        ((1280, 960), ("other_size",)),
        ((480, 640), ("other_shape",)),
        ((900, 480), ("other_shape",)),
        ((120, 90), ("small_picture", "other_size")),
        ((640, 100), ("small_picture", "other_shape")),
    ],
)
def test_a_picture_of_a_size_or_shape_that_was_not_seen_is_told(
    size: tuple[int, int], expected: tuple[WarningCode, ...]
) -> None:
    assert warnings_of(*size) == expected


def test_where_no_sizes_are_known_only_small_pictures_are_told() -> None:
    assert warnings_of(5000, 128, None) == ()
    assert warnings_of(5000, 127, None) == ("small_picture",)


def test_the_sizes_of_the_calibration_go_before_those_of_the_fit() -> None:
    other = PictureSizes(least_width=10, most_width=10, least_height=10, most_height=10)
    fit = MANIFEST.fit.model_copy(update={"sizes": other})
    thresholds = MANIFEST.thresholds.model_copy(update={"sizes": SEEN})
    manifest = MANIFEST.model_copy(update={"fit": fit, "thresholds": thresholds})
    assert size_warnings(manifest, 640, 480) == ()
