"""TIFF: the first page's header, and whether it is of a kind that is served."""

from __future__ import annotations

from takt.core.errors import InvalidImageError, UnsupportedImageError
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.formats.tiff_directory import MOST_PARTS, TiffDirectory

ROWS_PER_STRIP = 278
TILE_WIDTH = 322
TILE_HEIGHT = 323
WIDTH = 256
HEIGHT = 257
BITS = 258
SAMPLES_PER_PIXEL = 277
PLANES = 284

_SUBFILE_TYPE = 254
_PHOTOMETRIC = 262
_EXTRA_SAMPLES = 338
_SAMPLE_FORMAT = 339
_GREY_RGB_PALETTE_CMYK_YCC = (0, 1, 2, 3, 5, 6)
_LOOSE_TILE = 1024
"""Side up to which tiles are taken, however small the picture is."""


def read_tiff(data: bytes) -> ImageHeader:
    """Facts on the first page of a TIFF."""
    fields = TiffDirectory(data, TiffDirectory.first_at(data))
    width, height = fields.first(WIDTH, 0), fields.first(HEIGHT, 0)
    _refuse_kind(fields)
    _refuse_tiles(fields, width, height)
    _refuse_parts(fields, width, height)
    bits = fields.first(BITS, 1)
    straight_alpha = fields.first(_EXTRA_SAMPLES, 0) == 2
    alpha_at = fields.position(_EXTRA_SAMPLES) if straight_alpha else None
    return ImageHeader(
        "TIFF",
        width,
        height,
        straight_alpha_at=alpha_at,
        # A page in one strip is there as it is stored, up to 8 bytes a pixel, and as RGBA.
        bytes_per_pixel=12 if bits <= 8 else 18,
        bits=max(bits, 8),
        grey=fields.first(SAMPLES_PER_PIXEL, 1) == 1,
    )


def _refuse_kind(fields: TiffDirectory) -> None:
    bits = fields.first(BITS, 1)
    channels = fields.first(SAMPLES_PER_PIXEL, 1)
    if fields.first(_SAMPLE_FORMAT, 1) != 1:
        raise UnsupportedImageError(
            "TIFF of floating-point or signed numbers is not served, for its black and white are "
            "not defined; scale it to unsigned 8 or 16 bits"
        )
    if bits not in (1, 8, 16):
        raise UnsupportedImageError(
            f"TIFF of {bits} bits per channel is not served; save it with 8 or 16"
        )
    if not 1 <= channels <= 4:
        raise UnsupportedImageError(f"TIFF of {channels} channels is not served; send RGB or grey")
    photometric = fields.first(_PHOTOMETRIC, 1)
    if photometric not in _GREY_RGB_PALETTE_CMYK_YCC:
        raise UnsupportedImageError(
            f"TIFF of colour space {photometric} is not served; send RGB or grey"
        )
    if fields.first(_SUBFILE_TYPE, 0) & 1:
        raise UnsupportedImageError(
            "the first page of the TIFF is a thumbnail, as in raw files of cameras; "
            "send the developed picture"
        )


def _refuse_tiles(fields: TiffDirectory, width: int, height: int) -> None:
    """Refuse tiles that would cost far more memory and time than the picture itself."""
    tile_width = fields.first(TILE_WIDTH, 0)
    tile_height = fields.first(TILE_HEIGHT, 0)
    largest_width = max(width + 15, _LOOSE_TILE)  # for sides are multiples of 16
    largest_height = max(height + 15, _LOOSE_TILE)
    largest_area = max((width + 15) * (height + 15), _LOOSE_TILE**2)
    if (
        tile_width > largest_width
        or tile_height > largest_height
        or tile_width * tile_height > largest_area
    ):
        raise UnsupportedImageError(
            f"the TIFF has tiles of {tile_width} × {tile_height} pixels in a picture of "
            f"{width} × {height}; save it without tiles"
        )


def _refuse_parts(fields: TiffDirectory, width: int, height: int) -> None:
    """Refuse a picture in so many strips or tiles that each costs more than its pixels."""
    tile_width, tile_height = fields.first(TILE_WIDTH, 0), fields.first(TILE_HEIGHT, 0)
    if tile_width and tile_height:
        parts = -(-width // tile_width) * -(-height // tile_height)
    else:
        parts = -(-height // max(fields.first(ROWS_PER_STRIP, height), 1))
    if fields.first(PLANES, 1) == 2:
        parts *= fields.first(SAMPLES_PER_PIXEL, 1)
    if parts > MOST_PARTS:
        raise InvalidImageError(
            f"the TIFF has {parts} strips or tiles; save it with at most {MOST_PARTS}, or as a PNG"
        )
