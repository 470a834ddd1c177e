"""Pictures come out as an inspector sees them, whole; everything else is refused."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

import service.pictures.decode
from service.domain import Image
from service.errors import (
    ImageTooLargeError,
    InvalidImageError,
    RequestError,
    UnsupportedImageError,
)
from service.pictures.decode import decode
from service.pictures.formats.image_header import ImageHeader
from service.pictures.header import read_header

WIDTH, HEIGHT = 80, 64
MAX_PIXELS = 1_000_000


def colours(channels: int = 3, dtype: type[np.unsignedinteger[Any]] = np.uint8) -> NDArray[Any]:
    """Noise [HEIGHT, WIDTH, channels] over the whole range."""
    rng = np.random.default_rng(channels)
    return rng.integers(0, np.iinfo(dtype).max + 1, (HEIGHT, WIDTH, channels), dtype=dtype)


def smooth() -> Image:
    """What lossy formats keep well: a corner of each colour."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([3 * x, 255 - 3 * x, 3 * y], axis=-1).astype(np.uint8)


def a_picture(mode: str = "RGB") -> Pillow.Image:
    if mode == "RGBA":
        return Pillow.fromarray(colours(4))
    if mode == "LA":
        return Pillow.merge("LA", [Pillow.fromarray(colours(2)[..., i]) for i in (0, 1)])
    if mode == "CMYK":
        inks = colours(4)[::8, ::8].repeat(8, axis=0).repeat(8, axis=1)
        return Pillow.frombytes("CMYK", (WIDTH, HEIGHT), inks.tobytes())
    return Pillow.fromarray(colours()).convert(mode)


def saved(picture: Pillow.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def tiff(array: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def png16(array: NDArray[Any]) -> bytes:
    stored = array[..., ::-1] if array.ndim == 3 else array
    return cv2.imencode(".png", stored)[1].tobytes()


def with_pillow(data: bytes) -> NDArray[np.uint8]:
    with Pillow.open(io.BytesIO(data)) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(np.float64) - other).max())


LOSSLESS = {
    "PNG": {},
    "BMP": {},
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {},
}

WHOLE = {
    "jpeg": saved(Pillow.fromarray(smooth()), "JPEG"),
    "jpeg grey": saved(Pillow.fromarray(smooth()).convert("L"), "JPEG"),
    "jpeg progressive": saved(Pillow.fromarray(smooth()), "JPEG", progressive=True),
    "png": saved(a_picture(), "PNG"),
    "png palette": saved(a_picture("P"), "PNG"),
    "png 16 bits": png16(colours(3, np.uint16)),
    "bmp": saved(a_picture(), "BMP"),
    "bmp one bit": saved(a_picture("1"), "BMP"),
    "webp": saved(Pillow.fromarray(smooth()), "WEBP"),
    "webp lossless": saved(a_picture(), "WEBP", lossless=True),
    "webp animated": saved(
        a_picture(), "WEBP", save_all=True, append_images=[a_picture().rotate(180)]
    ),
    "tiff": tiff(colours(), photometric="rgb"),
    "tiff strips": tiff(colours(), photometric="rgb", rowsperstrip=4),
    "tiff tiled": tiff(colours(), photometric="rgb", tile=(32, 32)),
    "tiff lzw": saved(a_picture(), "TIFF", compression="tiff_lzw"),
    "tiff 16 bits": tiff(colours(3, np.uint16), photometric="rgb", rowsperstrip=4),
}

whole = pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE.keys())


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


def test_an_unsupported_picture_is_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="scale it to unsigned 8 or 16 bits"):
        decode(tiff(colours(1).astype(np.float32)[..., 0]), MAX_PIXELS)


def test_an_empty_body_is_refused() -> None:
    with pytest.raises(InvalidImageError, match="empty"):
        decode(b"", MAX_PIXELS)


@whole
def test_as_many_pixels_as_allowed_are_taken_and_one_more_is_not(data: bytes) -> None:
    pixels = WIDTH * HEIGHT

    decode(data, pixels)
    with pytest.raises(ImageTooLargeError) as refusal:
        decode(data, pixels - 1)

    assert f"{pixels} pixels" in str(refusal.value)
    assert f"{pixels - 1} of the setting max_image_pixels" in str(refusal.value)


def test_too_many_pixels_are_refused_before_anything_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def imdecode(*_: object) -> None:
        pytest.fail("decoded")

    monkeypatch.setattr(cv2, "imdecode", imdecode)
    huge = bytearray(WHOLE["png"])
    huge[16:24] = struct.pack(">II", 100_000, 100_000)

    with pytest.raises(ImageTooLargeError, match="10000000000 pixels"):
        decode(bytes(huge), MAX_PIXELS)


@whole
def test_a_truncated_picture_is_refused(data: bytes) -> None:
    lengths = {*range(1, len(data), len(data) // 40), *(len(data) - n for n in range(1, 5))}
    for length in sorted(lengths):
        with pytest.raises(InvalidImageError):
            decode(data[:length], MAX_PIXELS)


def received_bytes(jpeg: bytes, share: float) -> int:
    """The header and a share of what follows."""
    start = read_header(jpeg).scan_start
    return start + int((len(jpeg) - start) * share)


@pytest.mark.parametrize("data", [WHOLE["jpeg"], WHOLE["jpeg grey"], WHOLE["jpeg progressive"]])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_jpeg_that_was_received_in_part_is_refused(data: bytes, share: float) -> None:
    received = received_bytes(data, share)

    with pytest.raises(InvalidImageError, match="cut short"):
        decode(data[:received] + bytes(len(data) - received), MAX_PIXELS)


@pytest.mark.parametrize("data", [WHOLE["jpeg"], WHOLE["jpeg grey"]])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_jpeg_that_ends_too_early_is_refused(data: bytes, share: float) -> None:
    with pytest.raises(InvalidImageError, match="lost a part"):
        decode(data[: received_bytes(data, share)] + b"\xff\xd9", MAX_PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_that_ends_too_early_is_refused(orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = saved(Pillow.fromarray(smooth()), "JPEG", exif=exif)

    with pytest.raises(InvalidImageError, match="lost a part"):
        decode(data[: received_bytes(data, 0.6)] + b"\xff\xd9", MAX_PIXELS)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side", [37, 64, 200])
def test_a_whole_jpeg_that_is_mid_grey_is_taken(side: int, progressive: bool) -> None:
    grey = np.full((side, side, 3), 128, np.uint8)
    grey[: side // 2, : side // 2] = (200, 30, 60)
    data = saved(Pillow.fromarray(grey), "JPEG", progressive=progressive)

    picture = decode(data, MAX_PIXELS)

    assert picture[-1, -1].tolist() == [128, 128, 128]
    assert difference(picture, with_pillow(data)) <= 2


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture() -> None:
    thumbnail = saved(a_picture().resize((16, 12)), "JPEG")
    segment = b"Exif\0\0" + thumbnail
    data = WHOLE["jpeg"]
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment + data[2:]
    decode(data, MAX_PIXELS)

    with pytest.raises(InvalidImageError, match="cut short"):
        decode(data[:-20] + bytes(20), MAX_PIXELS)


@pytest.mark.parametrize("name", ["jpeg", "png", "bmp", "webp", "tiff"])
def test_bytes_after_the_picture_are_ignored(name: str) -> None:
    picture = decode(WHOLE[name] + bytes(1000), MAX_PIXELS)

    np.testing.assert_array_equal(picture, decode(WHOLE[name], MAX_PIXELS))


def test_every_flipped_bit_of_a_png_is_found() -> None:
    data = WHOLE["png"]
    rng = np.random.default_rng(9)
    for at in rng.integers(8, len(data), 60):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(RequestError):
            decode(bytes(damaged), 2**40)


def test_a_png_with_pixels_missing_inside_is_refused() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    half = zlib.compress(bytes((WIDTH + 1) * HEIGHT // 2))
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", half) + chunk(b"IEND", b"")
    )

    with pytest.raises(InvalidImageError, match="cannot be decoded"):
        decode(data, MAX_PIXELS)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = WHOLE["jpeg progressive"]
    last_scan = data[data.rindex(b"\xff\xda") : -2]

    with pytest.raises(InvalidImageError, match="scans"):
        decode(data[:-2] + last_scan * 300 + b"\xff\xd9", MAX_PIXELS)


def test_a_picture_that_is_not_as_its_header_says_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        service.pictures.decode, "read_header", lambda _: ImageHeader("PNG", WIDTH, 65)
    )

    with pytest.raises(InvalidImageError, match="80 × 65 pixels, its data 80 × 64"):
        decode(WHOLE["png"], MAX_PIXELS)


def test_what_opencv_throws_becomes_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def imdecode(*_: object) -> None:
        raise cv2.error("assertion")

    monkeypatch.setattr(cv2, "imdecode", imdecode)

    with pytest.raises(InvalidImageError, match="cannot be decoded"):
        decode(WHOLE["png"], MAX_PIXELS)


@whole
def test_damaged_bytes_give_a_picture_or_a_refusal(data: bytes) -> None:
    rng = np.random.default_rng(4)
    for _ in range(25):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 6)):
            damaged[at] = int(rng.integers(256))
        try:
            picture = decode(bytes(damaged), MAX_PIXELS)
        except RequestError:
            continue
        assert picture.dtype == np.uint8
        assert picture.ndim == 3 and picture.shape[2] == 3
