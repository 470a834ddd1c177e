from __future__ import annotations

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import RawPicture
from takt.core.errors import InvalidImageError
from takt.core.pictures.decode import decode
from takt.core.pictures.placement import placement
from takt.core.pictures.prepare import prepare, whole_picture
from takt.core.pictures.preprocess import preprocess

MAX_PIXELS = 1_000_000
WHOLE = Preprocess(width=32, height=32, resize="area")
REDUCED = WHOLE.model_copy(update={"reduced_decode": True})


def noise(width: int = 128, height: int = 96) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg() -> bytes:
    return cv2.imencode(".jpg", noise())[1].tobytes()


def test_it_is_decode_then_preprocess() -> None:
    prepared = prepare(jpeg(), WHOLE, MAX_PIXELS)
    expected = preprocess(decode(jpeg(), MAX_PIXELS), WHOLE)
    assert np.array_equal(prepared.model_input, expected)
    assert (prepared.seen.width, prepared.seen.height, prepared.seen.whole) == (128, 96, None)
    assert prepared.seen.placed == placement(WHOLE, 128, 96)


def test_a_reduced_picture_is_placed_as_the_whole_one_and_looks_much_alike() -> None:
    whole, reduced = (prepare(jpeg(), spec, MAX_PIXELS) for spec in (WHOLE, REDUCED))
    assert (reduced.seen.width, reduced.seen.height) == (whole.seen.width, whole.seen.height)
    assert reduced.seen.placed == whole.seen.placed
    levels = np.abs(reduced.model_input.astype(int) - whole.model_input)
    assert 0 < levels.mean() < 3


@pytest.mark.parametrize("spec", [WHOLE, REDUCED])
def test_what_is_kept_to_draw_on_is_the_whole_picture(spec: Preprocess) -> None:
    kept = prepare(jpeg(), spec, MAX_PIXELS, keep=True)
    assert kept.seen.whole is not None
    assert np.array_equal(kept.seen.whole, decode(jpeg(), MAX_PIXELS))
    assert np.array_equal(kept.model_input, prepare(jpeg(), spec, MAX_PIXELS).model_input)


@pytest.mark.parametrize("spec", [WHOLE, REDUCED])
def test_raw_pixels_take_the_same_way(spec: Preprocess) -> None:
    picture = noise()
    raw = RawPicture(picture.tobytes(), 128, 96, "rgb8")
    prepared = prepare(raw, spec, MAX_PIXELS, keep=True)
    assert np.array_equal(prepared.model_input, preprocess(picture, spec))
    assert np.array_equal(whole_picture(raw, spec, MAX_PIXELS), picture)


def test_a_damaged_picture_is_refused() -> None:
    with pytest.raises(InvalidImageError):
        prepare(jpeg()[:100], REDUCED, MAX_PIXELS)


def test_only_area_goes_on_from_a_reduced_picture() -> None:
    with pytest.raises(ValidationError, match="only where they are resized by area"):
        Preprocess(width=32, height=32, resize="pillow_bilinear", reduced_decode=True)
