"""Files that turn their picture or have 16 bits, read as a bundle says."""

from __future__ import annotations

import io
import struct
from typing import get_args

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from takt.core.bundles.manifest import Crop, Preprocess
from takt.core.domain import Box, Depth, WarningCode
from takt.core.pictures.decode import decode, decode_for_model
from takt.core.pictures.formats.orientation import orientation_of
from takt.core.pictures.header import read_header
from takt.core.pictures.placement import placement
from takt.core.pictures.prepare import prepare
from takt.core.pictures.turning import NO_TURN, Turn

MOST = 10**6
STORED = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
FORMATS = ("JPEG", "PNG", "WEBP")
SPEC = Preprocess(width=20, height=12, resize="pillow_bilinear")
AS_STORED = SPEC.model_copy(update={"orientation": "ignore"})


def turned_file(kind: str, orientation: int) -> bytes:
    exif = Pillow.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Pillow.fromarray(STORED).save(file, kind, exif=exif, **options)
    return file.getvalue()


def deep_file(levels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, levels.astype(np.uint16))[1].tobytes()


def with_depth(depth: Depth) -> Preprocess:
    return SPEC.model_copy(update={"depth": depth})


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", FORMATS)
def test_the_orientation_is_read_as_the_decoder_applies_it(kind: str, orientation: int) -> None:
    data = turned_file(kind, orientation)
    assert orientation_of(data, read_header(data)) == orientation
    stored = decode_for_model(data, MOST, AS_STORED)
    upright = decode(data, MOST)
    assert stored.picture.shape == STORED.shape
    np.testing.assert_array_equal(stored.turn.array(stored.picture), upright)
    assert (stored.height, stored.width) == upright.shape[:2]


def test_a_tiff_is_turned_by_everybody() -> None:
    data = turned_file("TIFF", 6)
    found = decode_for_model(data, MOST, AS_STORED)
    assert found.turn == NO_TURN
    np.testing.assert_array_equal(found.picture, np.asarray(Pillow.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_as_stored_is_what_pillow_opens(kind: str) -> None:
    data = turned_file(kind, 6)
    ours = decode_for_model(data, MOST, AS_STORED).picture.astype(int)
    theirs = np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(ours - theirs).max() <= (3 if kind == "JPEG" else 0)


def test_a_file_without_or_with_senseless_orientation_is_upright() -> None:
    for data in (turned_file("PNG", 9), cv2.imencode(".png", STORED)[1].tobytes()):
        assert orientation_of(data, read_header(data)) == 1
    cut = turned_file("JPEG", 6)
    assert orientation_of(cut[:40] + cut[60:], read_header(cut)) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_map_of_a_crop_lies_where_a_person_sees_it(orientation: int) -> None:
    spec = AS_STORED.model_copy(update={"crop": Crop(x=2, y=3, width=10, height=6)})
    turn = Turn.of(orientation)
    marked = np.zeros((24, 40), np.uint8)
    box = placement(spec, 40, 24).box
    marked[box.y : box.y + box.height, box.x : box.x + box.width] = 1
    rows, columns = np.nonzero(turn.array(marked))
    upright = turn.size(40, 24)
    x, y = int(columns.min()), int(rows.min())
    expected = Box(x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1)
    assert placement(spec, *upright, turn).box == expected


def test_what_is_kept_to_draw_on_is_upright_and_what_the_model_sees_is_not() -> None:
    seen, model_input = prepare(turned_file("PNG", 6), AS_STORED, MOST, keep=True)
    assert seen.whole is not None
    assert seen.whole.shape == (40, 24, 3)
    assert (seen.width, seen.height) == (24, 40)
    plain = prepare(cv2.imencode(".png", STORED[..., ::-1])[1].tobytes(), SPEC, MOST)
    np.testing.assert_array_equal(model_input, plain.model_input)
    assert plain.seen.turn == NO_TURN


@pytest.mark.parametrize(
    ("depth", "level", "expected", "warning"),
    [
        ("full", 4095, 15, "dark_depth"),
        ("full", 65535, 255, None),
        ("12", 4095, 255, None),
        ("12", 2048, 128, None),
        ("12", 4096, 255, "clipped_depth"),
        ("14", 16383, 255, None),
        ("14", 4095, 64, None),
        ("14", 1000, 16, "dark_depth"),
        ("max", 777, 255, None),
        ("pillow", 200, 200, None),
        ("pillow", 4095, 255, "clipped_depth"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_of_16_bits_is_scaled_as_the_bundle_says_and_never_dark_without_a_word(
    depth: Depth, level: int, expected: int, warning: WarningCode | None, suffix: str
) -> None:
    levels = np.zeros((8, 8), np.uint16)
    levels[2:6] = level
    found = decode_for_model(deep_file(levels, suffix), MOST, with_depth(depth))
    assert int(found.picture.max()) - expected in (0, 1 if depth == "full" else 0)
    assert found.warning == warning


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_depth_pillow_is_that_of_pillow(channels: int, suffix: str) -> None:
    levels = np.arange(0, 65536, 97)[:600].reshape(20, 30)
    levels = levels if channels == 1 else np.dstack([levels] * 3)
    data = deep_file(levels, suffix)
    theirs = np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(
        decode_for_model(data, MOST, with_depth("pillow")).picture, theirs
    )


@pytest.mark.parametrize("depth", get_args(Depth))
def test_a_file_of_8_bits_has_no_depth(depth: Depth) -> None:
    data = cv2.imencode(".png", STORED[..., ::-1])[1].tobytes()
    found = decode_for_model(data, MOST, with_depth(depth))
    np.testing.assert_array_equal(found.picture, STORED)
    assert found.warning is None


def test_the_depth_of_a_header_is_read() -> None:
    data = deep_file(np.zeros((4, 4)))
    header = read_header(data)
    assert (header.bits, header.grey) == (16, True)
    assert struct.unpack_from(">B", data, 24) == (16,)
