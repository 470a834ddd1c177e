"""Which cells of a map count, and where they lie on a picture."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.manifest import Crop, Preprocess
from takt.core.bundles.region import ROI_MASK, Roi
from takt.core.domain import Box
from takt.core.errors import BundleError
from takt.core.pictures.placement import placement
from takt.core.pictures.roi import RoiDrawing, RoiShape, roi_drawing, roi_on_map

MakeBundle = Callable[..., Bundle]

WHOLE = Preprocess(width=64, height=48, resize="area")
CROPPED = Preprocess(width=64, height=48, resize="area", crop=Crop(x=16, y=8, width=32, height=24))
GRID = (24, 32)
TRIANGLE = ((0.1, 0.15), (0.83, 0.3), (0.37, 0.91))


def box(left: float, top: float, right: float, bottom: float) -> tuple[tuple[float, float], ...]:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def centres(spec: Preprocess, grid: tuple[int, int]) -> tuple[NDArray[np.float64], ...]:
    """Of a map's cells, as fractions of the picture, without any of the code under test."""
    crop = spec.crop or Crop(x=0, y=0, width=spec.width, height=spec.height)
    rows, columns = (np.arange(n) + 0.5 for n in grid)
    y = (crop.y + rows / grid[0] * crop.height) / spec.height
    x = (crop.x + columns / grid[1] * crop.width) / spec.width
    return x, y


def left_of(start: tuple[float, float], end: tuple[float, float], x: object, y: object) -> object:
    (x0, y0), (x1, y1) = start, end
    return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0  # type: ignore[operator]


@pytest.mark.parametrize("spec", [WHOLE, CROPPED], ids=["whole", "cropped"])
def test_a_cell_counts_if_its_centre_lies_within_the_polygon(spec: Preprocess) -> None:
    x, y = centres(spec, GRID)
    a, b, c = TRIANGLE
    columns, rows = np.meshgrid(x, y)
    expected = np.ones(GRID, bool)
    for start, end in ((a, b), (b, c), (c, a)):
        expected &= np.asarray(left_of(start, end, columns, rows))
    assert 0 < expected.sum() < expected.size
    for polygon in (TRIANGLE, TRIANGLE[::-1]):
        np.testing.assert_array_equal(RoiShape((polygon,)).on_map(spec, GRID), expected)


def test_the_edges_of_the_picture_are_within_a_polygon_of_all_of_it() -> None:
    assert RoiShape((box(0, 0, 1, 1),)).on_map(WHOLE, GRID).all()


def test_an_edge_through_centres_takes_those_of_the_left_and_the_top() -> None:
    inside = RoiShape((box(0.125, 0.125, 0.875, 0.875),)).on_map(WHOLE, (4, 4))
    np.testing.assert_array_equal(inside, np.outer([1, 1, 1, 0], [1, 1, 1, 0]).astype(bool))


def test_polygons_are_united_and_exclusions_taken_away() -> None:
    first, second, hole = box(0, 0, 0.5, 1), box(0.25, 0, 0.75, 1), box(0.125, 0, 0.375, 0.5)
    inside = RoiShape((first, second), (hole,)).on_map(WHOLE, (2, 8))
    np.testing.assert_array_equal(inside, [[1, 0, 0, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 0, 0]])


def test_exclusions_alone_leave_the_rest_of_the_picture() -> None:
    inside = RoiShape(exclude=(box(0, 0, 0.5, 1),)).on_map(WHOLE, (1, 4))
    np.testing.assert_array_equal(inside, [[False, False, True, True]])


def test_a_polygon_that_goes_around_twice_has_a_hole() -> None:
    star = tuple(
        (0.5 + 0.5 * np.sin(4 * np.pi * k / 5), 0.5 - 0.5 * np.cos(4 * np.pi * k / 5))
        for k in range(5)
    )
    inside = RoiShape((star,)).on_map(WHOLE, (41, 41))
    assert not inside[20, 20]
    assert inside[6, 20]


@pytest.mark.parametrize("spec", [WHOLE, CROPPED], ids=["whole", "cropped"])
def test_a_mask_picture_counts_as_the_polygon_that_it_was_drawn_from(spec: Preprocess) -> None:
    x, y = centres(WHOLE, (900, 1200))
    a, b, c = TRIANGLE
    columns, rows = np.meshgrid(x, y)
    mask = np.ones((900, 1200), bool)
    for start, end in ((a, b), (b, c), (c, a)):
        mask &= np.asarray(left_of(start, end, columns, rows))
    of_mask = RoiShape(mask=mask).on_map(spec, GRID)
    np.testing.assert_array_equal(of_mask, RoiShape((TRIANGLE,)).on_map(spec, GRID))


def test_a_mask_picture_of_another_ratio_is_stretched_as_pictures_are() -> None:
    mask = np.zeros((2, 400), bool)
    mask[1, 100:] = True
    expected = RoiShape((box(0.25, 0.5, 1, 1),)).on_map(WHOLE, GRID)
    np.testing.assert_array_equal(RoiShape(mask=mask).on_map(WHOLE, GRID), expected)


@pytest.mark.parametrize("spec", [WHOLE, CROPPED], ids=["whole", "cropped"])
def test_the_centre_of_a_cell_lies_midway_between_its_edges(spec: Preprocess) -> None:
    axis = placement(spec, 641, 100).x
    start, length = (spec.crop.x, spec.crop.width) if spec.crop else (0, spec.width)
    for cell in (0, 7, 30):
        edges = [(start + Fraction(k * length, 31)) * 641 / spec.width for k in (cell, cell + 1)]
        assert axis.center(cell, 31) == sum(edges) / 2


def test_a_bundle_without_a_region_of_interest_has_none(bundle: Bundle) -> None:
    assert bundle.manifest.roi is None
    assert roi_on_map(bundle) is None
    assert roi_drawing(bundle) is None


def test_a_bundle_s_polygons_lie_on_its_map_and_on_any_other_size(make_bundle: MakeBundle) -> None:
    polygon = box(0, 0, 0.5, 1)
    bundle = make_bundle(roi=Roi(polygons=(polygon,), share=0.5, outside=0.0))
    inside = roi_on_map(load_bundle(bundle.path))
    assert inside is not None
    assert inside.shape == (32, 32)
    assert inside[:, :16].all()
    assert not inside[:, 16:].any()
    resized = roi_on_map(bundle, (6, 8))
    assert resized is not None
    np.testing.assert_array_equal(resized[0], [1, 1, 1, 1, 0, 0, 0, 0])


def test_a_bundle_s_mask_picture_must_be_listed_and_readable(make_bundle: MakeBundle) -> None:
    with pytest.raises(ValueError, match=r"roi\.png, which is not listed"):
        make_bundle(roi=Roi(mask=ROI_MASK, share=0.5, outside=0.0))
    bundle = make_bundle(version="2")
    roi = Roi(mask=ROI_MASK, share=0.5, outside=0.0)
    files = {**bundle.manifest.files, ROI_MASK: "0"}
    manifest = bundle.manifest.model_copy(update={"roi": roi, "files": files})
    masked = Bundle(bundle.path, manifest, bundle.golden, bundle.calibration)
    (bundle.path / ROI_MASK).write_bytes(b"no picture")
    with pytest.raises(BundleError, match=r"roi\.png cannot be read"):
        roi_on_map(masked)
    half = np.zeros((4, 4), np.uint8)
    half[:, 2:] = 1  # all that is not black
    cv2.imwrite(str(bundle.path / ROI_MASK), half)
    inside = roi_on_map(masked)
    assert inside is not None
    assert inside[:, 16:].all()
    assert not inside[:, :16].any()


@pytest.mark.parametrize("scale", [1, 3, 7])
def test_what_is_drawn_is_what_counts_holes_too(scale: int) -> None:
    inside = np.zeros((12, 16), bool)
    inside[2:10, 3:14] = True
    inside[4:7, 6:10] = False
    inside[11, 0] = True
    drawn = RoiDrawing(inside)
    inspected = Box(5, 9, 16 * scale, 12 * scale)
    height, width = 12 * scale + 20, 16 * scale + 10
    mask = drawn.mask(inspected, height, width)
    grown = inside.repeat(scale, axis=0).repeat(scale, axis=1)
    expected = np.zeros((height, width), bool)
    expected[9 : 9 + 12 * scale, 5 : 5 + 16 * scale] = grown
    away = cv2.erode((mask > 0).view(np.uint8), np.ones((3, 3))), cv2.dilate(mask, np.ones((3, 3)))
    if scale == 1:
        np.testing.assert_array_equal(mask > 0, expected)
    assert (expected | (away[0] == 0)).all(), "no pixel beyond the edge counts"
    assert (~expected | (away[1] > 0)).all(), "none within the edge is left out"


def test_an_outline_is_traced_once_for_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = RoiDrawing(np.eye(8, dtype=bool))
    first = drawn.outlines(Box(0, 0, 80, 80))
    assert drawn.outlines(Box(0, 0, 80, 80)) is first
    assert drawn.outlines(Box(0, 0, 81, 80)) is not first
