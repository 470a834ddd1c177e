"""Of an animated PNG the first frame is taken, and all frames have to be there."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from takt.core.errors import InvalidImageError, RequestError, UnsupportedImageError
from takt.core.pictures.decode import decode

MAX_PIXELS = 1_000_000
MODES = ["RGB", "RGBA", "L", "P"]


def frames(mode: str) -> list[Pillow.Image]:
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 256, (24, 40, 4), dtype=np.uint8) for _ in range(3)]
    return [Pillow.fromarray(frame).convert(mode) for frame in noise]


def apng(mode: str = "RGB", **options: Any) -> bytes:
    first, *others = frames(mode)
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=others, **options)
    return buffer.getvalue()


def kinds_and_starts(data: bytes) -> list[tuple[bytes, int]]:
    at, found = 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, at))
        at += 12 + length
    return found


def without(data: bytes, number: int) -> bytes:
    """The file without one of its chunks."""
    starts = [start for _, start in kinds_and_starts(data)] + [len(data)]
    return data[: starts[number]] + data[starts[number + 1] :]


@pytest.mark.parametrize("mode", MODES)
def test_the_first_frame_is_taken(mode: str) -> None:
    picture = decode(apng(mode), MAX_PIXELS)

    np.testing.assert_array_equal(picture, np.asarray(frames(mode)[0].convert("RGB")))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_still_picture_that_is_no_frame_is_passed_over(mode: str) -> None:
    picture = decode(apng(mode, default_image=True), MAX_PIXELS)

    np.testing.assert_array_equal(picture, np.asarray(frames(mode)[1].convert("RGB")))


def test_an_animation_is_turned_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    data = apng(exif=exif)

    with Pillow.open(io.BytesIO(data)) as first:
        upright = np.asarray(ImageOps.exif_transpose(first).convert("RGB"))

    np.testing.assert_array_equal(decode(data, MAX_PIXELS), upright)


@pytest.mark.parametrize("default_image", [False, True])
def test_every_cut_of_an_animation_is_refused(default_image: bool) -> None:
    data = apng(default_image=default_image)

    for length in [*range(40, len(data), 97), *range(len(data) - 60, len(data))]:
        with pytest.raises(InvalidImageError):
            decode(data[:length], MAX_PIXELS)


def test_an_animation_that_lacks_a_frame_is_refused() -> None:
    data = apng()
    controls = [i for i, (kind, _) in enumerate(kinds_and_starts(data)) if kind == b"fcTL"]

    with pytest.raises(InvalidImageError, match="says 3 frames and has 2"):
        decode(without(data, controls[-1]), MAX_PIXELS)


def test_damage_within_the_first_frame_is_found_by_its_checksum() -> None:
    for default_image, kind in ((False, b"IDAT"), (True, b"fdAT")):
        data = bytearray(apng(default_image=default_image))
        data[data.index(kind) + 40] ^= 1

        with pytest.raises(InvalidImageError):
            decode(bytes(data), MAX_PIXELS)


def test_a_first_frame_that_covers_a_part_is_not_served() -> None:
    data = bytearray(apng(default_image=True))
    at = data.index(b"fcTL")
    data[at + 8 : at + 12] = struct.pack(">I", 39)
    data[at + 30 : at + 34] = struct.pack(">I", zlib.crc32(data[at : at + 30]))

    with pytest.raises(UnsupportedImageError, match="covers a part"):
        decode(bytes(data), MAX_PIXELS)


@pytest.mark.parametrize("default_image", [False, True])
def test_damaged_animations_give_a_picture_or_a_refusal(default_image: bool) -> None:
    data = apng(default_image=default_image)
    rng = np.random.default_rng(2)
    for _ in range(200):
        damaged = bytearray(data)
        for at in rng.integers(8, 200, rng.integers(1, 4)):
            damaged[at] = int(rng.integers(256))
        try:
            decode(bytes(damaged), MAX_PIXELS)
        except RequestError:
            continue
