from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from takt.core.bundles.manifest import Crop, Preprocess
from takt.core.domain import Box, Region, Verdict
from takt.core.errors import EngineError, InvalidParameterError
from takt.core.pictures.placement import Placement, placement
from takt.core.pictures.postprocess import Criteria, judge, picture_score

NO_SCORES = np.zeros(0, np.float32)


def whole(width: int, height: int) -> Placement:
    """A model that sees all of a picture."""
    return placement(Preprocess(width=32, height=32, resize="area"), width, height)


def cropped(box: Box, width: int, height: int) -> Placement:
    """A model that sees a box of a picture, which it takes at its own size."""
    crop = Crop(x=box.x, y=box.y, width=box.width, height=box.height)
    spec = Preprocess(width=width, height=height, resize="area", crop=crop)
    return placement(spec, width, height)


def judged(
    anomaly_map: NDArray[np.float32] | None = None,
    *,
    score: float = 0.0,
    placed: Placement | None = None,
    threshold: float = 1.0,
    pixel_threshold: float = 0.5,
    good_scores: NDArray[np.float32] = NO_SCORES,
    max_regions: int = 64,
) -> Verdict:
    cells = np.zeros((4, 4), np.float32) if anomaly_map is None else anomaly_map
    height, width = cells.shape
    return judge(
        score,
        cells,
        placed or whole(width, height),
        Criteria(threshold=threshold, pixel_threshold=pixel_threshold),
        good_scores,
        max_regions,
    )


def map_with(shape: tuple[int, int], *cells: tuple[int, int, float]) -> NDArray[np.float32]:
    anomaly_map = np.zeros(shape, np.float32)
    for row, column, value in cells:
        anomaly_map[row, column] = value
    return anomaly_map


@pytest.mark.parametrize(
    ("score", "anomalous"),
    [(0.9, False), (1.0, False), (math.nextafter(1.0, 2.0), True), (1.1, True)],
)
def test_only_a_score_above_the_threshold_is_anomalous(score: float, anomalous: bool) -> None:
    verdict = judged(score=score, threshold=1.0)
    assert verdict.anomalous is anomalous
    assert verdict.score == score
    assert verdict.threshold == 1.0


@pytest.mark.parametrize(("threshold", "anomalous"), [(math.inf, False), (-math.inf, True)])
def test_an_infinite_threshold_says_never_or_always(threshold: float, anomalous: bool) -> None:
    verdict = judged(threshold=threshold, pixel_threshold=threshold)
    assert verdict.anomalous is anomalous
    assert len(verdict.regions) == anomalous


@pytest.mark.parametrize(
    ("score", "percentile"), [(0.5, 0.0), (1.0, 25.0), (2.0, 75.0), (2.5, 75.0), (9.0, 100.0)]
)
def test_the_percentile_is_the_share_of_good_scores_that_are_no_higher(
    score: float, percentile: float
) -> None:
    good_scores = np.array([1.0, 2.0, 2.0, 3.0], np.float32)
    assert judged(score=score, good_scores=good_scores).percentile == percentile


def test_without_good_scores_there_is_no_percentile() -> None:
    assert judged(good_scores=NO_SCORES).percentile is None


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused(score: float) -> None:
    with pytest.raises(EngineError, match="not finite"):
        judged(score=score)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_map_that_is_not_finite_anywhere_is_refused(value: float) -> None:
    with pytest.raises(EngineError, match="not finite"):
        judged(map_with((4, 4), (3, 1, value)))


@pytest.mark.parametrize("name", ["threshold", "pixel_threshold"])
def test_a_threshold_that_is_not_a_number_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameterError, match="NaN"):
        Criteria(**({"threshold": 1.0, "pixel_threshold": 1.0} | {name: math.nan}))


@pytest.mark.parametrize("pixel_threshold", [0.5, 1e300])
def test_a_map_that_nowhere_exceeds_the_threshold_has_no_regions(pixel_threshold: float) -> None:
    verdict = judged(np.full((4, 4), 0.5, np.float32), pixel_threshold=pixel_threshold)
    assert verdict.regions == ()


@pytest.mark.parametrize("pixel_threshold", [-3.41e38, -1e300])
def test_a_threshold_below_all_that_a_map_can_hold_makes_it_one_region(
    pixel_threshold: float,
) -> None:
    verdict = judged(np.full((4, 4), -0.5, np.float32), pixel_threshold=pixel_threshold)
    assert len(verdict.regions) == 1


def test_the_pixel_threshold_is_not_rounded_to_the_precision_of_the_map() -> None:
    value = float(np.float32(0.1))
    cells = map_with((4, 4), (1, 1, value))
    assert judged(cells, pixel_threshold=value).regions == ()
    assert len(judged(cells, pixel_threshold=math.nextafter(value, 0.0)).regions) == 1


def test_a_picture_with_a_region_is_not_good_although_its_score_is() -> None:
    verdict = judged(map_with((4, 4), (1, 1, 0.9)), score=0.0)
    assert verdict.anomalous
    assert len(verdict.regions) == 1


@pytest.mark.parametrize(("peak", "anomalous"), [(0.25, False), (0.5, False), (0.75, True)])
def test_only_a_cell_above_the_pixel_threshold_is_anomalous(peak: float, anomalous: bool) -> None:
    verdict = judged(map_with((4, 4), (2, 3, peak)), pixel_threshold=0.5)
    assert verdict.anomalous is anomalous


def test_at_an_infinite_pixel_threshold_only_the_score_decides() -> None:
    cells = map_with((4, 4), (1, 1, 3e38))
    assert not judged(cells, pixel_threshold=math.inf).anomalous
    assert judged(cells, score=1.1, pixel_threshold=math.inf).anomalous


def test_the_verdict_does_not_depend_on_how_many_regions_are_wanted() -> None:
    verdict = judged(map_with((4, 4), (1, 1, 0.9)), max_regions=0)
    assert verdict.peak == pytest.approx(0.9)
    assert (verdict.anomalous, verdict.regions) == (True, ())


def test_a_region_on_a_picture_of_the_map_size_is_its_cells() -> None:
    anomaly_map = map_with((5, 6), (1, 2, 0.7), (1, 3, 0.9), (2, 2, 0.8))
    assert judged(anomaly_map).regions == (
        Region(box=Box(2, 1, 2, 2), area_px=3, peak=float(np.float32(0.9))),
    )


def test_cells_that_touch_at_a_corner_are_one_region() -> None:
    (region,) = judged(map_with((4, 4), (0, 0, 1.0), (1, 1, 1.0))).regions
    assert region.box == Box(0, 0, 2, 2)
    assert region.area_px == 2


def test_the_highest_peak_comes_first() -> None:
    anomaly_map = map_with((5, 5), (0, 0, 0.6), (2, 2, 0.9), (4, 4, 0.7))
    peaks = [region.peak for region in judged(anomaly_map).regions]
    assert peaks == pytest.approx([0.9, 0.7, 0.6])


def test_equal_peaks_stay_in_reading_order() -> None:
    anomaly_map = np.zeros((64, 64), np.float32)
    anomaly_map[::2, ::2] = np.random.default_rng(4).integers(1, 4, (32, 32))
    regions = judged(anomaly_map, max_regions=2000).regions
    assert len(regions) == 32 * 32
    assert list(regions) == sorted(regions, key=lambda one: (-one.peak, one.box.y, one.box.x))


@pytest.mark.parametrize("max_regions", [0, 1, 2, 3, 9])
def test_the_regions_with_the_highest_peaks_are_kept(max_regions: int) -> None:
    anomaly_map = map_with((5, 5), (0, 0, 0.6), (2, 2, 0.9), (4, 4, 0.7))
    regions = judged(anomaly_map, max_regions=max_regions).regions
    assert [region.box.x for region in regions] == [2, 4, 0][:max_regions]


def test_a_peak_is_taken_inside_the_region_and_not_inside_its_box() -> None:
    hook = [(row, 0, 0.6) for row in range(5)] + [(4, column, 0.6) for column in range(5)]
    regions = judged(map_with((5, 5), *hook, (1, 3, 0.9))).regions
    assert [region.peak for region in regions] == pytest.approx([0.9, 0.6])
    assert regions[1].box == Box(0, 0, 5, 5)
    assert regions[1].area_px == 9


def test_negative_map_values_above_a_negative_threshold_are_regions() -> None:
    anomaly_map = np.full((4, 4), -5.0, np.float32)
    anomaly_map[1, 1] = -1.0
    (region,) = judged(anomaly_map, pixel_threshold=-2.0).regions
    assert region.peak == -1.0


@pytest.mark.parametrize(
    ("cell", "box"),
    [
        ((0, 0), Box(100, 50, 4, 3)),  # columns [0, 3.33), rows [0, 2.5)
        ((1, 1), Box(103, 52, 4, 3)),  # [3.33, 6.67), [2.5, 5)
        ((3, 2), Box(106, 57, 4, 3)),  # [6.67, 10), [7.5, 10)
    ],
)
def test_a_box_is_every_pixel_that_its_cells_touch(cell: tuple[int, int], box: Box) -> None:
    placed = cropped(Box(100, 50, 10, 10), 200, 100)
    (region,) = judged(map_with((4, 3), (*cell, 1.0)), placed=placed).regions
    assert region.box == box
    assert region.area_px == round(100 / 12)


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (37, 29), (200, 150), (1280, 961), (4001, 2999)])
def test_boxes_stay_within_the_inspected_part(size: tuple[int, int]) -> None:
    placed = cropped(Box(11, 13, *size), size[0] + 20, size[1] + 30)
    corners = map_with((31, 43), (0, 0, 1.0), (0, 42, 1.0), (30, 0, 1.0), (30, 42, 1.0))
    boxes = [region.box for region in judged(corners, placed=placed).regions]
    assert min(box.x for box in boxes) == 11
    assert min(box.y for box in boxes) == 13
    assert max(box.x + box.width for box in boxes) == 11 + size[0]
    assert max(box.y + box.height for box in boxes) == 13 + size[1]
    assert all(box.width >= 1 and box.height >= 1 for box in boxes)


def test_a_map_that_is_anomalous_everywhere_covers_the_inspected_part_exactly() -> None:
    inspected = Box(7, 9, 1279, 957)
    placed = cropped(inspected, 1300, 1000)
    (region,) = judged(np.ones((57, 56), np.float32), placed=placed).regions
    assert region.box == inspected
    assert region.area_px == inspected.width * inspected.height


def test_regions_are_placed_by_the_exact_crop_and_not_by_whole_pixels() -> None:
    crop = Crop(x=28, y=28, width=392, height=392)
    spec = Preprocess(width=448, height=448, resize="area", crop=crop)
    placed = placement(spec, 600, 600)  # 37.5 … 562.5, of which a cell is 18.75
    first, last = judged(map_with((28, 28), (0, 0, 1.0), (27, 27, 0.9)), placed=placed).regions
    assert first == Region(box=Box(37, 37, 20, 20), area_px=352, peak=1.0)
    assert last.box == Box(543, 543, 20, 20)


def test_a_region_of_a_picture_smaller_than_the_map_has_at_least_one_pixel() -> None:
    (region,) = judged(map_with((64, 64), (63, 63, 1.0)), placed=whole(5, 5)).regions
    assert region == Region(box=Box(4, 4, 1, 1), area_px=1, peak=1.0)


def test_a_map_that_is_a_view_is_read_as_it_lies() -> None:
    anomaly_map = map_with((6, 8), (1, 5, 0.8), (4, 2, 0.9))
    expected = judged(anomaly_map).regions
    batch = np.stack([anomaly_map, anomaly_map * 0], axis=2)
    assert judged(batch[:, :, 0]).regions == expected
    assert judged(np.asfortranarray(anomaly_map)).regions == expected


def test_regions_agree_with_a_plain_flood_fill() -> None:
    anomaly_map = np.random.default_rng(5).random((24, 32), dtype=np.float32)
    found = {
        (region.box, region.area_px, region.peak)
        for region in judged(anomaly_map, pixel_threshold=0.7, max_regions=1000).regions
    }
    assert found == flood_filled(anomaly_map, 0.7)


def flood_filled(anomaly_map: NDArray[np.float32], threshold: float) -> set[tuple[Box, int, float]]:
    waiting = {(int(row), int(column)) for row, column in np.argwhere(anomaly_map > threshold)}
    regions = set()
    while waiting:
        frontier = [waiting.pop()]
        members = []
        while frontier:
            row, column = frontier.pop()
            members.append((row, column))
            near = {
                (row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)
            } & waiting
            waiting -= near
            frontier.extend(near)
        rows, columns = zip(*members, strict=True)
        box = Box(
            min(columns),
            min(rows),
            max(columns) - min(columns) + 1,
            max(rows) - min(rows) + 1,
        )
        regions.add((box, len(members), max(float(anomaly_map[cell]) for cell in members)))
    return regions


def resized_maximum(anomaly_map: NDArray[np.float32], width: int, height: int) -> float:
    batch = torch.from_numpy(np.ascontiguousarray(anomaly_map))[None, None]
    return float(functional.interpolate(batch, (height, width), mode="bilinear").max())


def on_picture(anomaly_map: NDArray[np.float32], width: int, height: int) -> float:
    return picture_score(-1.0, anomaly_map, "map_on_picture", width, height)


def smooth(shape: tuple[int, int], seed: int = 0) -> NDArray[np.float32]:
    """Blobs, as maps have them: noise at a quarter of the size, enlarged."""
    coarse = torch.rand(1, 1, 14, 14, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(coarse, shape, mode="bicubic")[0, 0].numpy()


SIZES = [
    *((1280, 960), (565, 230), (640, 640), (333, 77), (256, 256)),
    *((64, 56), (56, 64), (40, 31), (90, 20), (3, 500), (2, 1), (1, 1)),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(64, 64), (56, 57), (1, 9), (9, 1), (1, 1)])
def test_the_score_on_the_picture_is_the_maximum_of_torch_s_resized_map(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(6)
    for _ in range(5):
        noise = rng.normal(0, 0.3, shape).astype(np.float32)
        assert on_picture(noise, *size) == pytest.approx(resized_maximum(noise, *size), abs=1e-6)
    for seed in range(5):
        blobs = smooth(shape, seed)
        assert on_picture(blobs, *size) == pytest.approx(resized_maximum(blobs, *size), abs=1e-6)


def test_the_score_on_a_large_picture_is_the_maximum_of_torch_s_resized_map() -> None:
    anomaly_map = np.random.default_rng(7).random((64, 64), dtype=np.float32)
    expected = resized_maximum(anomaly_map, 4096, 3000)
    assert on_picture(anomaly_map, 4096, 3000) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("cell", [(0, 0), (0, 63), (63, 0), (63, 63), (0, 30), (30, 63), (31, 7)])
def test_a_peak_anywhere_is_found_on_the_picture(cell: tuple[int, int]) -> None:
    anomaly_map = map_with((64, 64), (*cell, 1.0))
    expected = resized_maximum(anomaly_map, 565, 230)
    assert on_picture(anomaly_map, 565, 230) == pytest.approx(expected, abs=1e-6)


def test_a_score_on_the_picture_does_not_exceed_the_threshold_that_it_makes() -> None:
    rng = np.random.default_rng(8)
    for _ in range(50):
        score = on_picture(rng.normal(0, 0.3, (56, 56)).astype(np.float32), 640, 480)
        kept = np.array([score], np.float32)
        assert not score > float(kept[0])


def test_the_highest_cell_need_not_hold_the_highest_pixel() -> None:
    # Four pixels of a 7 × 7 map: they lie on cells 0.375, 2.125, 3.875 and 5.625.
    anomaly_map = map_with((7, 7), (3, 3, 1.0), (2, 2, 0.9))
    expected = 0.9 * 0.875**2 + 1.0 * 0.125**2
    assert on_picture(anomaly_map, 4, 4) == pytest.approx(expected)
    assert resized_maximum(anomaly_map, 4, 4) == pytest.approx(expected)


def test_a_map_that_is_flat_or_negative_keeps_its_value_on_the_picture() -> None:
    assert on_picture(np.full((64, 64), -0.3, np.float32), 1280, 961) == float(np.float32(-0.3))


def test_unless_it_is_taken_on_the_picture_the_score_is_the_graph_s() -> None:
    assert picture_score(0.7, np.ones((4, 4), np.float32), "model", 40, 40) == 0.7


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_map_that_is_not_finite_is_refused_on_the_picture_too(value: float) -> None:
    anomaly_map = map_with((64, 64), (10, 20, value))
    with pytest.raises(EngineError, match="not finite"):
        judged(anomaly_map, score=on_picture(anomaly_map, 1280, 960))
