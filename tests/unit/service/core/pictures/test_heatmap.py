from __future__ import annotations

import io
import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.domain import Box, Heatmap, HeatmapKind, Image, ImageFormat, Region
from takt.core.errors import InvalidParameterError
from takt.core.pictures.heatmap import ColorScale, render
from takt.core.pictures.roi import RoiDrawing

SCALE = ColorScale(low=0.0, threshold=1.0)
GREY = 128


def rendered(
    kind: HeatmapKind,
    picture: Image,
    anomaly_map: NDArray[np.float32],
    *,
    format: ImageFormat = "png",
    inspected: Box | None = None,
    scale: ColorScale = SCALE,
    regions: Sequence[Region] = (),
) -> Heatmap:
    height, width, _ = picture.shape
    heatmap = render(
        kind,
        format,
        picture,
        anomaly_map,
        inspected or Box(0, 0, width, height),
        scale,
        regions,
    )
    assert heatmap is not None
    return heatmap


def pixels(heatmap: Heatmap) -> NDArray[np.int32]:
    decoded = cv2.imdecode(np.frombuffer(heatmap.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.int32)


def grey(height: int, width: int) -> Image:
    return np.full((height, width, 3), GREY, np.uint8)


def flat(value: float, shape: tuple[int, int] = (8, 8)) -> NDArray[np.float32]:
    return np.full(shape, value, np.float32)


def spot(value: float, *, size: int = 32, radius: float = 4.0) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    values = value * np.exp(-(rows**2 + columns**2) / (2 * radius**2))
    return np.asarray(values, np.float32)


def texture(height: int, width: int) -> Image:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def color_of(value: float, scale: ColorScale = SCALE) -> tuple[int, int, int]:
    red, green, blue = pixels(rendered("map", grey(8, 8), flat(value), scale=scale))[4, 4]
    return int(red), int(green), int(blue)


def test_raw_is_the_map_itself() -> None:
    anomaly_map = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    heatmap = rendered("raw", grey(40, 30), anomaly_map)
    stored = np.load(io.BytesIO(heatmap.data), allow_pickle=False)
    assert (heatmap.kind, heatmap.format) == ("raw", "npy")
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, anomaly_map)


@pytest.mark.parametrize("kind", ["map", "overlay"])
@pytest.mark.parametrize(
    ("format", "signature"),
    [("png", b"\x89PNG\r\n"), ("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF")],
)
def test_the_picture_comes_in_its_own_size_and_the_format_asked_for(
    kind: HeatmapKind, format: ImageFormat, signature: bytes
) -> None:
    heatmap = rendered(kind, grey(48, 80), spot(2.0), format=format)
    assert (heatmap.kind, heatmap.format) == (kind, format)
    assert heatmap.data.startswith(signature)
    assert pixels(heatmap).shape == (48, 80, 3)


@pytest.mark.parametrize("kind", ["map", "overlay"])
@pytest.mark.parametrize(("format", "width"), [("webp", 17_000), ("jpeg", 66_000)])
def test_a_picture_that_the_format_cannot_hold_is_refused(
    kind: HeatmapKind, format: ImageFormat, width: int
) -> None:
    with pytest.raises(InvalidParameterError, match=f"{width}x2 pixels .* as {format}"):
        rendered(kind, grey(2, width), flat(0.0), format=format)


def test_the_colours_run_from_blue_over_green_at_the_threshold_to_red() -> None:
    red, green, blue = color_of(0.4)
    assert blue > max(red, green)
    red, green, blue = color_of(1.0)
    assert green > max(red, blue)
    red, green, blue = color_of(1.8)
    assert red > 2 * max(green, blue)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0])
def test_only_the_place_between_low_and_threshold_decides_on_the_colour(share: float) -> None:
    scale = ColorScale(low=-40.0, threshold=-8.0)
    assert color_of(-40.0 + 32.0 * share, scale) == color_of(share)


@pytest.mark.parametrize(("value", "end"), [(-100.0, 0.0), (100.0, 2.0), (3e38, 2.0)])
def test_values_off_the_scale_take_the_colour_of_its_end(value: float, end: float) -> None:
    assert color_of(value) == color_of(end)


def test_a_good_part_is_not_stretched_to_red() -> None:
    shown = pixels(rendered("map", grey(64, 64), spot(0.5)))
    assert (shown[:, :, 2] > shown[:, :, 0]).all()


@pytest.mark.parametrize(
    "scale",
    [ColorScale(1.0, 1.0), ColorScale(2.0, 1.0), ColorScale(0.0, math.nextafter(0.0, 1.0))],
)
def test_a_threshold_not_above_low_leaves_two_colours(scale: ColorScale) -> None:
    assert color_of(scale.threshold + 0.001, scale) == color_of(2.0)
    assert color_of(scale.threshold, scale) == color_of(0.0)
    assert color_of(scale.threshold - 0.001, scale) == color_of(0.0)


@pytest.mark.parametrize(
    ("threshold", "like"), [(math.inf, 0.0), (1e308, 0.0), (-1e308, 2.0), (-math.inf, 2.0)]
)
def test_a_threshold_out_of_reach_shows_nothing_or_everything(
    threshold: float, like: float
) -> None:
    assert color_of(0.5, ColorScale(0.0, threshold)) == color_of(like)


def test_the_map_lies_on_the_inspected_part_and_the_rest_is_black() -> None:
    inspected = Box(10, 20, 30, 25)
    shown = pixels(rendered("map", grey(60, 50), flat(0.0), inspected=inspected))
    inside = np.zeros((60, 50), bool)
    inside[20:45, 10:40] = True
    np.testing.assert_array_equal(shown.any(axis=2), inside)


def test_the_map_is_upscaled_bilinearly_with_cells_centred() -> None:
    anomaly_map = np.array([[0.2, 0.8]], np.float32)
    shown = pixels(rendered("map", grey(4, 80), anomaly_map))
    assert tuple(shown[2, 5]) == color_of(0.2)
    assert tuple(shown[2, 74]) == color_of(0.8)
    middle = np.array(color_of(0.5))
    assert np.abs(shown[2, 40] - middle).max() <= 8


@pytest.mark.parametrize("value", [-5.0, 0.0, 0.5, 0.7])
def test_a_normal_part_is_left_as_it_looks(value: float) -> None:
    picture = texture(60, 50)
    shown = pixels(rendered("overlay", picture, flat(value)))
    np.testing.assert_array_equal(shown, picture)


def test_the_overlay_grows_denser_with_the_value_up_to_its_cap() -> None:
    bright = np.full((8, 8, 3), 255, np.uint8)
    blue = [
        int(pixels(rendered("overlay", bright, flat(value)))[4, 4, 2])
        for value in (0.7, 0.9, 1.1, 1.3, 1.5, 2.0)
    ]
    assert blue == sorted(blue, reverse=True)
    assert len(set(blue)) >= 5
    assert 255 * 0.4 <= blue[-1] <= 255 * 0.5


def test_the_picture_shows_through_the_densest_overlay() -> None:
    picture = texture(64, 64)
    shown = pixels(rendered("overlay", picture, flat(9.0)))
    for channel in range(3):
        match = np.corrcoef(shown[:, :, channel].ravel(), picture[:, :, channel].ravel())
        assert match[0, 1] > 0.99


def test_an_anomaly_is_redder_than_the_picture() -> None:
    red, green, blue = pixels(rendered("overlay", grey(64, 64), spot(4.0)))[32, 32]
    assert red > green + 40
    assert red > blue + 40


def test_the_overlay_leaves_the_picture_outside_the_inspected_part() -> None:
    picture = texture(60, 50)
    inspected = Box(10, 20, 30, 25)
    shown = pixels(rendered("overlay", picture, flat(2.0), inspected=inspected))
    changed = (shown != picture).any(axis=2)
    assert changed[20:45, 10:40].mean() > 0.95
    changed[20:45, 10:40] = False
    assert not changed.any()


@pytest.mark.parametrize(("height", "width"), [(150, 200), (400, 1000), (400, 4000)])
def test_a_region_is_outlined_in_white_and_black_at_any_picture_size(
    height: int, width: int
) -> None:
    box = Box(width // 4, height // 4, width // 2, height // 2)
    region = Region(box=box, area_px=box.width * box.height, peak=4.0)
    anomaly_map = spot(4.0, radius=6)
    plain = pixels(rendered("overlay", grey(height, width), anomaly_map))
    shown = pixels(rendered("overlay", grey(height, width), anomaly_map, regions=[region]))
    row = shown[height // 2, : width // 2]
    white = np.flatnonzero((row > 200).all(axis=1))
    black = np.flatnonzero((row < 60).all(axis=1))
    assert 1 <= len(white) <= 3 + width // 400
    assert 1 <= len(black) <= len(white) + 2
    middle = height // 2, width // 2
    np.testing.assert_array_equal(shown[middle], plain[middle])


def test_the_outline_follows_the_threshold() -> None:
    region = Region(box=Box(50, 50, 220, 220), area_px=40_000, peak=4.0)
    shown = pixels(rendered("overlay", grey(320, 320), spot(4.0, radius=6), regions=[region]))
    radius_px = 10 * 6 * math.sqrt(2 * math.log(4.0))
    rows, columns = np.nonzero((shown > 230).all(axis=2))
    distances = np.hypot(rows - 159.5, columns - 159.5)
    assert len(distances) > 100
    assert np.abs(distances - radius_px).max() < 4


@pytest.mark.parametrize(("height", "width"), [(150, 200), (800, 4000)])
def test_a_region_too_small_to_be_noticed_gets_a_ring(height: int, width: int) -> None:
    center_x, center_y = 3 * width // 4, height // 4
    region = Region(box=Box(center_x - 1, center_y - 1, 3, 3), area_px=9, peak=1.001)
    shown = pixels(rendered("overlay", grey(height, width), flat(0.0), regions=[region]))
    rows, columns = np.nonzero((shown > 200).all(axis=2))
    distances = np.hypot(rows - center_y, columns - center_x)
    assert distances.min() >= 5
    assert distances.max() >= width / 50
    assert distances.max() <= max(12, width / 30)
    assert tuple(shown[center_y, center_x]) == (GREY, GREY, GREY)


def test_within_a_ring_nothing_is_outlined() -> None:
    anomaly_map = spot(4.0, size=128, radius=1.0)
    region = Region(box=Box(190, 190, 20, 20), area_px=300, peak=4.0)
    plain = pixels(rendered("overlay", grey(400, 400), anomaly_map))
    shown = pixels(rendered("overlay", grey(400, 400), anomaly_map, regions=[region]))
    rows, columns = np.mgrid[:400, :400]
    within = np.hypot(rows - 200, columns - 200) < 7
    assert (plain[within] != GREY).any()
    np.testing.assert_array_equal(shown[within], plain[within])


def test_a_ring_at_the_border_is_cut_and_no_error() -> None:
    region = Region(box=Box(0, 0, 1, 1), area_px=1, peak=2.0)
    shown = pixels(rendered("overlay", grey(100, 100), flat(0.0), regions=[region]))
    assert (shown[:20, :20] > 200).all(axis=2).any()


def test_a_map_of_noise_is_coloured_without_outlines() -> None:
    noise = np.random.default_rng(2).normal(1.0, 1.0, (256, 256)).astype(np.float32)
    region = Region(box=Box(0, 0, 512, 512), area_px=9, peak=4.0)
    outlined = rendered("overlay", grey(512, 512), noise, regions=[region])
    assert outlined == rendered("overlay", grey(512, 512), noise)


@pytest.mark.parametrize("kind", ["map", "overlay"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 3), (3, 1), (4, 1), (1, 300), (70, 2)])
def test_a_tiny_picture_is_rendered(kind: HeatmapKind, height: int, width: int) -> None:
    region = Region(box=Box(0, 0, width, height), area_px=width * height, peak=2.0)
    heatmap = rendered(kind, grey(height, width), flat(2.0), regions=[region])
    assert pixels(heatmap).shape == (height, width, 3)


@pytest.mark.parametrize("kind", ["map", "overlay", "raw"])
def test_the_arguments_are_left_as_they_are(kind: HeatmapKind) -> None:
    picture, anomaly_map = texture(40, 40), spot(3.0)
    picture.flags.writeable = False
    anomaly_map.flags.writeable = False
    before = picture.copy(), anomaly_map.copy()
    region = Region(box=Box(10, 10, 20, 20), area_px=400, peak=3.0)
    first = rendered(kind, picture, anomaly_map, regions=[region])
    assert rendered(kind, picture, anomaly_map, regions=[region]) == first
    np.testing.assert_array_equal(picture, before[0])
    np.testing.assert_array_equal(anomaly_map, before[1])


def half() -> RoiDrawing:
    inside = np.zeros((8, 8), bool)
    inside[:, :4] = True
    return RoiDrawing(inside)


def with_roi(
    kind: HeatmapKind, picture: Image, anomaly_map: NDArray[np.float32], inspected: Box
) -> NDArray[np.int32]:
    heatmap = render(kind, "png", picture, anomaly_map, inspected, SCALE, (), half())
    assert heatmap is not None
    return pixels(heatmap)


def test_what_does_not_count_is_black_on_the_map() -> None:
    shown = with_roi("map", grey(80, 80), flat(0.0), Box(0, 0, 80, 80))
    assert shown[:, :40].any(axis=2).all()
    assert not shown[:, 40:].any()


def test_what_does_not_count_is_darker_on_the_overlay_and_a_line_parts_it() -> None:
    picture = texture(96, 100)
    shown = with_roi("overlay", picture, flat(0.0), Box(10, 8, 80, 80))
    counts = np.zeros((96, 100), bool)
    counts[8:88, 10:50] = True
    away = cv2.dilate((~counts).astype(np.uint8), np.ones((5, 5))) == 0
    np.testing.assert_array_equal(shown[away], picture[away])
    darker = shown[~counts] / np.maximum(picture[~counts].astype(float), 1)
    assert np.median(darker) == pytest.approx(0.55, abs=0.02)
    assert shown[~counts].mean() < 0.6 * picture[~counts].mean()
    line = (shown[20:70, 49] == 200).all(axis=1)
    assert line.mean() > 0.9


def test_no_colour_runs_beyond_the_edge_of_what_counts() -> None:
    anomaly_map = flat(9.0)
    anomaly_map[:, 4:] = 0.0
    shown = with_roi("overlay", grey(800, 800), anomaly_map, Box(0, 0, 800, 800))
    beyond = shown[:, 404:]
    assert (beyond == beyond[..., :1]).all(), "grey stays grey"
    assert (shown[100:700, 390] != GREY).any()


def test_the_raw_map_knows_no_region_of_interest() -> None:
    drawn = render("raw", "png", grey(8, 8), flat(1.0), Box(0, 0, 8, 8), SCALE, (), half())
    assert drawn == rendered("raw", grey(8, 8), flat(1.0))
