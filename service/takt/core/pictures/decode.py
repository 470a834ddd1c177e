"""Decodes a picture to RGB, as a person sees it; a damaged one is refused, never half decoded.

| in the file | out |
|---|---|
| grey, 1-bit | three equal channels |
| palette | its colours |
| alpha | dropped; the stored colours stay, as Pillow's `convert("RGB")` does |
| 16 bits per channel | 0…65535 becomes 0…255, within one level, or as the bundle's depth says |
| CMYK and YCCK JPEG, CMYK TIFF | RGB by (255 - ink)(255 - black) / 255; profiles are not applied |
| EXIF orientation | applied, in JPEG, PNG, WebP and TIFF; a bundle may ignore it for its model |
| several pages or frames | the first one |

A file that is cut short is always refused; what follows a JPEG's end, such as the second picture
of a phone, is not looked at. Damage within a file is found by the checksums of PNG, and where the
decoder stumbles; otherwise a flipped bit may pass as wrong pixels. Bytes that are missing from the
middle of a baseline JPEG are found as a rule; those of a JPEG with restart markers or several scans
are not.

A file that would cost far more than its size and pixels is refused before it is decoded: `formats/`
has what is looked at in each format.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import Depth, Image, PixelFormat, RawPicture, WarningCode
from takt.core.errors import ImageTooLargeError, InvalidImageError
from takt.core.pictures.depth import dark, to_8_bits
from takt.core.pictures.formats.apng import checked_png
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.formats.jpeg import END, checked_jpeg, is_quick
from takt.core.pictures.formats.orientation import orientation_of
from takt.core.pictures.formats.tiff_pages import checked_tiff
from takt.core.pictures.formats.webp import checked_webp
from takt.core.pictures.header import read_header
from takt.core.pictures.turning import NO_TURN, Turn

_JPEG_FILL = b"\x80"
"""Value of every channel where libjpeg had no data."""

_NOISE = bytes(range(1, 255)) * 4
"""Data without markers that no encoder would write."""

_REDUCED = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
"""OpenCV's flags by divisor; those that reduce are named for grey, but the colour flag wins."""

_CHANNELS: dict[PixelFormat, int] = {"rgb8": 3, "bgr8": 3, "mono8": 1}


class Decoded(NamedTuple):
    """A decoded picture, whole or reduced.

    Attributes:
        picture: as the model sees it, RGB uint8 [ceil(rows / n), ceil(columns / n), 3]; n is 1, 2,
            4 or 8.
        width: width of the whole picture, upright, in pixels.
        height: height of the whole picture, upright, in pixels.
        turn: what makes the picture upright, if the model sees it as it is stored.
        warning: what speaks against its depth.
    """

    picture: Image
    width: int
    height: int
    turn: Turn = NO_TURN
    warning: WarningCode | None = None


def decode(
    data: bytes, max_pixels: int, header: ImageHeader | None = None, depth: Depth = "full"
) -> Image:
    """Decode a JPEG, PNG, BMP, WebP or TIFF, as a person sees it.

    >>> file = cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].tobytes()
    >>> decode(file, max_pixels=100).shape
    (4, 6, 3)

    Args:
        data: the whole file.
        max_pixels: most pixels, checked on the header before anything is decoded.
        header: of the file, if it was read already.
        depth: the levels of a file of 16 bits that become 0 to 255.

    Returns:
        RGB uint8 [height, width, 3], upright, C-contiguous.

    Raises:
        InvalidImageError: empty, truncated or damaged.
        UnsupportedImageError: another format, or pixels that are not served.
        ImageTooLargeError: more than `max_pixels`.
    """
    header = header or read_header(data)
    return _checked(data, header, max_pixels, 1, 0, depth)[0]


def decode_for_model(
    data: bytes, max_pixels: int, spec: Preprocess, header: ImageHeader | None = None
) -> Decoded:
    """Decode a picture as a bundle's model sees it.

    Where the bundle allows it, a JPEG is decoded at a half, a quarter or an eighth of its size:
    libjpeg then computes fewer coefficients and pixels, each of which is a mean of the picture's.

    Args:
        data: the whole file.
        max_pixels: most pixels, checked on the header before anything is decoded.
        spec: preprocessing of the bundle.
        header: of the file, if it was read already.

    Raises:
        RequestError: as `decode` does.
    """
    header = header or read_header(data)
    divisor = _divisor(header, spec.least_side) if spec.reduced_decode else 1
    if spec.orientation == "ignore" and header.format != "TIFF":
        flags = cv2.IMREAD_IGNORE_ORIENTATION
        stored, warning = _checked(data, header, max_pixels, divisor, flags, spec.depth)
        turn = Turn.of(orientation_of(data, header))
        return Decoded(stored, *turn.size(header.width, header.height), turn, warning)
    picture, warning = _checked(data, header, max_pixels, divisor, 0, spec.depth)
    height, width = picture.shape[:2]
    if divisor == 1:
        return Decoded(picture, width, height, warning=warning)
    turned = (width, height) != _size(header, divisor)
    sides = (header.height, header.width) if turned else (header.width, header.height)
    return Decoded(picture, *sides, warning=warning)


def decode_reduced(data: bytes, max_pixels: int, least: int) -> Image:
    """Decode a picture as a person sees it; a JPEG no larger than a small copy of it needs.

    Args:
        data: the whole file.
        max_pixels: most pixels, checked on the header before anything is decoded.
        least: pixels that the shorter side keeps at least.

    Returns:
        As `decode`, at 1, 1/2, 1/4 or 1/8 of the size.

    Raises:
        RequestError: as `decode` does.
    """
    header = read_header(data)
    return _checked(data, header, max_pixels, _divisor(header, least), 0, "full")[0]


def divisor_of(data: bytes, least: int) -> int:
    """Divisor of each side in reduced decoding: 1, 2, 4 or 8; only the header is read.

    Args:
        data: the whole file, or enough of its beginning.
        least: pixels that either side keeps at least.

    Raises:
        RequestError: as `read_header` does.
    """
    return _divisor(read_header(data), least)


def from_raw(raw: RawPicture, max_pixels: int) -> Image:
    """RGB uint8 [height, width, 3] of the pixels that a camera gave.

    Raises:
        InvalidImageError: the number of bytes does not fit the size.
        ImageTooLargeError: more than `max_pixels`.
    """
    _refuse_too_large(raw.width, raw.height, max_pixels)
    channels = _CHANNELS[raw.format]
    wanted = raw.width * raw.height * channels
    if len(raw.pixels) != wanted or not wanted:
        raise InvalidImageError(
            f"{raw.width} × {raw.height} pixels of {raw.format} are {wanted} bytes, "
            f"{len(raw.pixels)} came"
        )
    pixels = np.frombuffer(raw.pixels, np.uint8).reshape(raw.height, raw.width, channels)
    match raw.format:
        case "rgb8":
            return pixels
        case "bgr8":
            return cast(Image, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
        case "mono8":
            return cast(Image, cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))


def _checked(
    data: bytes, header: ImageHeader, max_pixels: int, divisor: int, flags: int, depth: Depth
) -> tuple[Image, WarningCode | None]:
    """Decode at 1 / divisor of the size, with all checks; also what speaks against the depth."""
    _refuse_too_large(header.width, header.height, max_pixels)
    data = _to_decode(data, header)
    if header.bits == 16 and depth != "full":
        # Of TIFF of 16 bits, OpenCV 5 gives RGB that is no picture, so BGR.
        levels = _decode(data, header, 1, flags | cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        if levels.dtype == np.uint16:
            deep = cast(NDArray[np.uint16], levels)
            picture, warning = to_8_bits(deep, depth, grey=header.grey)
            return cast(Image, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)), warning
    flags |= cv2.IMREAD_COLOR_RGB | _REDUCED[divisor]
    picture = cast(Image, _decode(data, header, divisor, flags))
    if header.format == "JPEG":
        _refuse_filled(picture, data, header, divisor, flags)
    return picture, dark(picture) if header.bits == 16 else None


def _divisor(header: ImageHeader, least: int) -> int:
    """The largest divisor that keeps `least` pixels a side and shows how the picture is turned."""
    if header.format != "JPEG":
        return 1
    for divisor in (8, 4, 2):
        if min(header.width, header.height) < divisor * least:
            continue
        width, height = _size(header, divisor)
        if width != height or header.width == header.height:
            return divisor
    return 1


def _size(header: ImageHeader, divisor: int) -> tuple[int, int]:
    """(width, height) of libjpeg's output, before orientation."""
    return -(-header.width // divisor), -(-header.height // divisor)


def _refuse_too_large(width: int, height: int, max_pixels: int) -> None:
    pixels = width * height
    if pixels > max_pixels:
        raise ImageTooLargeError(
            f"the picture has {width} × {height} = {pixels} pixels, more than the "
            f"{max_pixels} of the setting max_image_pixels; send a smaller one or raise the setting"
        )


def _to_decode(data: bytes, header: ImageHeader) -> bytes:
    """What the decoder gets, once the file is known to be whole and to cost what it shows."""
    match header.format:
        case "JPEG":
            return checked_jpeg(data, header)
        case "PNG":
            return checked_png(data, header)
        case "TIFF":
            return checked_tiff(data, header)
        case "WebP":
            return checked_webp(data)
        case "BMP":
            return data  # OpenCV refuses one that lacks rows


def _decode(data: bytes, header: ImageHeader, divisor: int, flags: int) -> MatLike:
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        decoded = None
    if decoded is None:
        raise InvalidImageError(
            f"the {header.format} cannot be decoded: it is damaged, cut short or of a rare kind; "
            "save it again and send the whole file"
        )
    height, width = decoded.shape[:2]
    if _size(header, divisor) not in ((width, height), (height, width)):
        raise InvalidImageError(
            f"the {header.format} contradicts itself: its header says {header.width} × "
            f"{header.height} pixels, its data {width * divisor} × {height * divisor}"
        )
    return decoded


def _refuse_filled(
    picture: Image, data: bytes, header: ImageHeader, divisor: int, flags: int
) -> None:
    """Refuse a JPEG that ends properly but lacks data, as from a camera that dropped packets.

    libjpeg fills missing blocks with grey, so the block that it decodes last, in a corner, is grey.
    A whole picture may have such a corner too. More data before the end changes a picture that
    lacked some, and no other. Few pictures need this second decoding.
    """
    if not _has_filled_corner(picture, header, divisor) or not is_quick(data, header):
        return
    end = data.find(END, header.scan_start)
    more = data[:end] + _NOISE + data[end:]
    with_more = _decode(more, header, divisor, flags)
    if not np.array_equal(picture, with_more):
        raise InvalidImageError(
            "the JPEG has lost a part of its data, so that its end is blank; send it again"
        )


def _has_filled_corner(picture: Image, header: ImageHeader, divisor: int) -> bool:
    """Whether a corner is grey, as far as the last block of 8 × 8 reaches into the picture."""
    side = min((header.width - 1) % 8, (header.height - 1) % 8) // divisor + 1
    ends = (slice(None, side), slice(-side, None))
    fill = _JPEG_FILL * (side * side * 3)
    return any(picture[rows, columns].tobytes() == fill for rows in ends for columns in ends)
