"""Pictures come out as an inspector sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from takt.core.pictures.decode import decode
from tests.unit.service.core.pictures.encoded import (
    HEIGHT,
    MAX_PIXELS,
    WIDTH,
    a_picture,
    colours,
    difference,
    png16,
    saved,
    smooth,
    tiff,
    whole,
    with_pillow,
)

LOSSLESS = {
    "PNG": {},
    "BMP": {},
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {},
}


@whole
def test_the_result_is_contiguous_rgb(data: bytes) -> None:
    picture = decode(data, MAX_PIXELS)

    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert picture.flags.writeable


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        (format, mode)
        for format in LOSSLESS
        for mode in ("RGB", "L", "LA", "RGBA", "P", "1")
        if (format, mode) != ("BMP", "LA")
    ],
)
def test_lossless_pictures_come_out_as_pillow_has_them(format: str, mode: str) -> None:
    data = saved(a_picture(mode), format, **LOSSLESS[format])

    np.testing.assert_array_equal(decode(data, MAX_PIXELS), with_pillow(data))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_comes_out_as_pillow_has_it(mode: str, progressive: bool) -> None:
    picture = a_picture("CMYK") if mode == "CMYK" else Pillow.fromarray(smooth()).convert(mode)
    data = saved(picture, "JPEG", quality=95, progressive=progressive)

    assert difference(decode(data, MAX_PIXELS), with_pillow(data)) <= 2


def test_a_ycck_jpeg_comes_out_as_pillow_has_it() -> None:
    data = bytearray(saved(a_picture("CMYK"), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2

    assert difference(decode(bytes(data), MAX_PIXELS), with_pillow(bytes(data))) <= 2


def test_grey_becomes_three_equal_channels() -> None:
    picture = decode(saved(a_picture("L"), "PNG"), MAX_PIXELS)

    assert (picture == picture[..., :1]).all()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_turned_upright(format: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = saved(Pillow.fromarray(smooth()), format, exif=exif)

    picture = decode(data, MAX_PIXELS)

    assert difference(picture, with_pillow(data)) <= 8
    assert picture.flags.c_contiguous


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "TIFF big-endian"])
def test_16_bits_are_scaled_over_their_whole_range(format: str, channels: int) -> None:
    stored = colours(channels, np.uint16)
    stored[0, 0], stored[0, 1] = 0, 65535
    array = stored[..., 0] if channels == 1 else stored
    kind = "minisblack" if channels == 1 else "rgb"
    order = ">" if format == "TIFF big-endian" else "<"
    data = png16(array) if format == "PNG" else tiff(array, photometric=kind, byteorder=order)

    picture = decode(data, MAX_PIXELS)

    assert difference(picture, np.broadcast_to(stored / 257, picture.shape)) < 1
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[0, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
def test_tiff_compressions_come_out_as_pillow_has_them(mode: str, compression: str) -> None:
    data = saved(a_picture(mode), "TIFF", compression=compression)

    assert difference(decode(data, MAX_PIXELS), with_pillow(data)) <= (1 if mode == "CMYK" else 0)


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"rowsperstrip": 5},
        {"tile": (32, 32)},
        {"compression": "zlib", "predictor": True},
        {"planarconfig": "separate"},
    ],
)
def test_tiff_layouts_give_the_same_picture(options: dict[str, Any]) -> None:
    array = colours()
    stored = np.moveaxis(array, -1, 0).copy() if "planarconfig" in options else array

    picture = decode(tiff(stored, photometric="rgb", **options), MAX_PIXELS)

    np.testing.assert_array_equal(picture, array)


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"tile": (32, 32)}])
@pytest.mark.parametrize("kind", ["unassalpha", "unspecified"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_alpha_of_a_tiff_does_not_darken_it(
    dtype: type[np.unsignedinteger[Any]], kind: str, options: dict[str, Any]
) -> None:
    stored = colours(4, dtype)
    scale = np.iinfo(dtype).max // 255

    picture = decode(tiff(stored, photometric="rgb", extrasamples=[kind], **options), MAX_PIXELS)

    assert difference(picture, stored[..., :3] / scale) < 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_inverted(dtype: type[np.unsignedinteger[Any]]) -> None:
    stored = colours(1, dtype)
    scale = np.iinfo(dtype).max // 255

    picture = decode(tiff(stored[..., 0], photometric="miniswhite"), MAX_PIXELS)

    assert difference(picture, np.broadcast_to(255 - stored / scale, picture.shape)) < 1


def test_of_several_pages_the_first_is_taken() -> None:
    pages = np.stack([colours(), 255 - colours()])

    picture = decode(tiff(pages, photometric="rgb"), MAX_PIXELS)

    np.testing.assert_array_equal(picture, pages[0])


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_of_several_frames_the_first_is_taken(format: str) -> None:
    data = saved(
        a_picture(),
        format,
        save_all=True,
        append_images=[a_picture().rotate(180)],
        **LOSSLESS[format],
    )

    np.testing.assert_array_equal(decode(data, MAX_PIXELS), colours())
