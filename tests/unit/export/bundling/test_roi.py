"""What people give as a region of interest, and how it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from takt.core.bundles.manifest import Crop, Preprocess
from takt.core.bundles.region import ROI_MASK
from takt.core.pictures.roi import RoiShape
from takt_export.bundling.roi import place, read_roi
from takt_export.commands.export import export
from takt_export.commands.import_onnx import import_
from takt_export.errors import PicturesError, RoiError

SQUARE = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]
WHOLE = Preprocess(width=64, height=64, resize="area")
CROPPED = Preprocess(width=64, height=64, resize="area", crop=Crop(x=16, y=16, width=32, height=32))
GRID = (16, 16)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "roi.json"


def test_fractions_are_read_as_they_are(file: Path) -> None:
    file.write_text(json.dumps({"polygons": [SQUARE], "exclude": [SQUARE[:3]]}))
    shape = read_roi(file)
    assert shape.polygons == (tuple(map(tuple, SQUARE)),)
    assert shape.exclude == (tuple(map(tuple, SQUARE[:3])),)
    assert shape.mask is None


def test_pixels_become_fractions_of_the_picture_they_were_drawn_on(file: Path) -> None:
    pixels = [[160 * 4 * x, 120 * 4 * y] for x, y in SQUARE]
    file.write_text(json.dumps({"polygons": [pixels], "width": 640, "height": 480}))
    assert read_roi(file).polygons == (tuple(map(tuple, SQUARE)),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither a picture .* nor JSON"),
        ("[1, 2]", "must hold an object"),
        ("{}", "has no polygon"),
        ('{"polygons": []}', "has no polygon"),
        ('{"polygon": []}', "polygon is not known; there are exclude, height, polygons, width"),
        ('{"polygons": {"a": 1}}', "polygons must be a list"),
        ('{"polygons": [7]}', "polygons, 1. polygon must be a list; it is 7"),
        ('{"polygons": [[[0, 0], [1, 1]]]}', "1. polygon has 2 corners; it needs 3"),
        ('{"polygons": [[[0, 0], [1, 1], [1, 1]]]}', "1. polygon has 2 corners; it needs 3"),
        ('{"exclude": [[[0, 0], [1, 1], [1]]]}', r"exclude, 1. polygon: \[1\] is no corner"),
        ('{"polygons": [[[0, 0], [1, 1], [NaN, 0]]]}', r"\[NaN, 0\] is no corner"),
        ('{"polygons": [[[0, 0], [1, 1], [Infinity, 0]]]}', "is no corner"),
        ('{"polygons": [[[0, 0], [1, 1], [1e999, 0]]]}', "is no corner"),
        ('{"polygons": [[[0, 0], [1, 1], [1' + 400 * "0" + ", 0]]]}", "is no corner"),
        ('{"polygons": [[[0, 0], [1, 1], [true, 0]]]}', "is no corner"),
        ('{"polygons": [[[0, 0], [1, 1], ["1", 0]]]}', "is no corner"),
        ('{"polygons": [[[0, 0], [1, 1], [0, 1.01]]]}', "outside the picture; fractions"),
        ('{"polygons": [[[0, 0], [1, 1], [-0.1, 1]]]}', "outside the picture; fractions"),
        (
            '{"polygons": [[[0, 0], [9, 9], [0, 21]]], "width": 30, "height": 20}',
            r"\[0, 21\] lies outside the picture; it is 30 x 20 pixels",
        ),
        ('{"polygons": [[[0, 0], [1, 1], [0, 1]]], "width": 30}', "both of them"),
        ('{"polygons": [[[0, 0], [1, 1], [0, 1]]], "width": 0, "height": 1}', "they are 0 and 1"),
        ('{"polygons": [[[0, 0], [1, 1], [0, 1]]], "width": null, "height": null}', "null and"),
    ],
)
def test_what_is_no_region_is_refused_with_a_reason(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(RoiError, match=message):
        read_roi(file)


def test_deep_json_is_refused(file: Path) -> None:
    file.write_text("[" * 100_000)
    with pytest.raises(RoiError, match="nor JSON"):
        read_roi(file)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".TIF"])
def test_of_a_mask_picture_counts_what_is_not_black(tmp_path: Path, suffix: str) -> None:
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[2:, 3:, 1] = 1
    cv2.imwrite(str(tmp_path / f"mask{suffix}"), pixels)
    mask = read_roi(tmp_path / f"mask{suffix}").mask
    assert mask is not None
    expected = np.zeros((6, 8), bool)
    expected[2:, 3:] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(("level", "message"), [(0, "is black"), (255, "has no black")])
def test_a_mask_picture_of_one_colour_is_refused(tmp_path: Path, level: int, message: str) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((4, 4), level, np.uint8))
    with pytest.raises(RoiError, match=message):
        read_roi(tmp_path / "mask.png")


def test_a_mask_picture_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("{}")
    with pytest.raises(PicturesError, match=r"mask\.png"):
        read_roi(tmp_path / "mask.png")


def shape(*polygons: list[list[float]], exclude: tuple[list[list[float]], ...] = ()) -> RoiShape:
    def plain(polygon: list[list[float]]) -> tuple[tuple[float, float], ...]:
        return tuple((x, y) for x, y in polygon)

    return RoiShape(tuple(map(plain, polygons)), tuple(map(plain, exclude)))


@pytest.mark.parametrize(("spec", "share"), [(WHOLE, 0.25), (CROPPED, 0.25)])
def test_the_share_is_of_the_whole_picture(spec: Preprocess, share: float) -> None:
    placed = place(shape(SQUARE), spec, GRID, -0.5)
    assert placed.share == share
    assert (placed.manifest.share, placed.manifest.outside) == (share, -0.5)
    assert placed.inside.mean() == (1.0 if spec.crop else 0.25)


def test_a_polygon_that_no_cell_lies_in_is_refused() -> None:
    tiny = [[0.5, 0.5], [0.51, 0.5], [0.5, 0.51]]
    with pytest.raises(RoiError, match=r"polygon 2 holds the centre of no cell .*16x16 cells\)"):
        place(shape(SQUARE, tiny), WHOLE, GRID, 0.0)


def test_a_polygon_beyond_what_the_model_sees_is_refused() -> None:
    corner = [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]
    place(shape(corner), WHOLE, GRID, 0.0)
    with pytest.raises(
        RoiError, match=r"polygon 1 .* x from 0\.25 to 0\.75, y from 0\.25 to 0\.75"
    ):
        place(shape(corner), CROPPED, GRID, 0.0)


def test_a_mask_beyond_what_the_model_sees_is_refused() -> None:
    mask = np.zeros((64, 64), bool)
    mask[:10] = True
    with pytest.raises(RoiError, match="mask picture holds the centre of no cell"):
        place(RoiShape(mask=mask), CROPPED, GRID, 0.0)


def test_exclusions_that_leave_nothing_are_refused() -> None:
    with pytest.raises(RoiError, match="what `exclude` leaves holds the centre of no cell"):
        place(shape(SQUARE, exclude=(SQUARE,)), WHOLE, GRID, 0.0)


def test_a_mask_goes_into_the_bundle_as_a_small_picture() -> None:
    mask = np.zeros((640, 480), bool)
    mask[:, 100:200] = True
    placed = place(RoiShape(mask=mask), WHOLE, GRID, 0.0)
    assert placed.manifest.mask == ROI_MASK
    data = placed.files[ROI_MASK]
    assert len(data) < 640 * 480 / 100
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(stored > 0, mask)
    assert place(shape(SQUARE), WHOLE, GRID, 0.0).files == {}


def test_both_commands_refuse_a_bad_region_before_any_work(file: Path, tmp_path: Path) -> None:
    file.write_text('{"polygons": []}')
    model = tmp_path / "model"
    model.write_bytes(b"never looked at")
    (tmp_path / "good").mkdir()
    arguments = ["onnx", str(model), "--good", str(tmp_path / "good"), "--roi", str(file)]
    for command in (export, import_):
        result = CliRunner().invoke(command, [*arguments, "--out", str(tmp_path / "m" / "p" / "1")])
        assert result.exit_code == 1
        assert "roi.json has no polygon" in result.output
