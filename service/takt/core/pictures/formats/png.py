"""PNG: its chunks are walked before the decoder, which allocates whatever a chunk claims.

Deflate makes up to 1,032 bytes of one, so that what is packed is bounded as well: texts and
profiles by inflating them, the picture's own data by what its size is worth.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from takt.core.errors import InvalidImageError
from takt.core.pictures.formats.image_header import ImageHeader

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK_OVERHEAD = 12
"""Bytes of a chunk beside its content: length and kind before it, checksum after it."""

_chunk_head = struct.Struct(">I4s").unpack_from

_MOST_CHUNKS = 65_536
"""Encoders write 8 KiB of data and more a chunk, so that the largest body has 8,192."""

_MOST_SIDE_CHUNKS = 1000
"""Chunks beside those of pictures; cameras write about ten, and libpng tells of each bad one."""

_MOST_DEFLATED = 1032
_MOST_PACKED_TEXT_BYTES = 8 * 2**20
"""Texts and profiles, inflated; a large camera profile takes 2 MiB."""

_SLACK_BYTES = 16_384
_HARMLESS_SURPLUS_BYTES = 512 * 2**20
"""Bytes beyond the picture that zlib inflates in about a second."""

_TOLERATED_SURPLUS_BYTES = 2**20
_SAMPLE_STEP = 256 * 1024
_SAMPLE_BYTES = 128
_FEW_VALUES = 48
"""Values among 128 bytes; data of pictures has about 100, a row of equal bytes packs to a few."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""First column, first row, step of columns and step of rows of each pass."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk: its kind, and where its content lies in the file."""

    kind: bytes
    start: int
    length: int

    @property
    def end(self) -> int:
        """Offset past the content, where the checksum begins."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Chunks:
    """What a walk through all chunks has found.

    Attributes:
        image_at: offset of the first chunk of the picture's data.
        image_bytes: content of all of these, in bytes.
        others: chunks of the kinds that are looked at, in their order.
    """

    image_at: int
    image_bytes: int
    others: tuple[Chunk, ...]


_OF_FRAMES = frozenset((b"fcTL", b"fdAT"))
_LOOKED_AT = _OF_FRAMES | frozenset((b"zTXt", b"iTXt", b"iCCP", b"acTL"))


def read_png(data: bytes) -> ImageHeader:
    """Size and depth of a PNG, from its first 26 bytes."""
    if data[8:16] != b"\0\0\0\x0dIHDR":
        raise InvalidImageError("the PNG header is damaged: it does not start with IHDR")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    if bits != 16:
        return ImageHeader("PNG", width, height)
    # Three channels of 16 bits, and of 8.
    return ImageHeader("PNG", width, height, bytes_per_pixel=12, bits=16, grey=colour == 0)


def walk(data: bytes) -> Chunks:
    """Walk through all chunks to the last one; what follows it does not matter.

    Raises:
        InvalidImageError: a chunk is longer than what is left, or the last one is missing.
    """
    at, size = len(SIGNATURE), len(data)
    image_at = image_bytes = side_chunks = 0
    others: list[Chunk] = []
    for _ in range(_MOST_CHUNKS):
        if at + CHUNK_OVERHEAD > size:
            raise InvalidImageError("the PNG is cut short; send the whole file")
        length, kind = _chunk_head(data, at)
        end = at + CHUNK_OVERHEAD + length
        if end > size:
            raise InvalidImageError(
                f"the PNG is cut short or damaged: a chunk says {length} bytes, of which "
                f"{size - at - CHUNK_OVERHEAD} are there; send the whole file"
            )
        if kind == b"IDAT":
            image_at = image_at or at
            image_bytes += length
        elif kind == b"IEND":
            return Chunks(image_at, image_bytes, tuple(others))
        else:
            if kind in _LOOKED_AT:
                others.append(Chunk(kind, at + 8, length))
            if kind not in _OF_FRAMES or not length:
                side_chunks += 1
                if side_chunks > _MOST_SIDE_CHUNKS:
                    break
        at = end
    raise InvalidImageError(
        f"the PNG has more than {_MOST_CHUNKS} chunks, or {_MOST_SIDE_CHUNKS} beside its pictures; "
        "save it again"
    )


def refuse_packed_texts(data: bytes, chunks: Chunks) -> None:
    """Refuse texts and profiles that would inflate to far more than any picture carries."""
    packed = [chunk for chunk in chunks.others if chunk.kind in (b"zTXt", b"iTXt", b"iCCP")]
    if sum(chunk.length for chunk in packed) * _MOST_DEFLATED <= _MOST_PACKED_TEXT_BYTES:
        return
    left = _MOST_PACKED_TEXT_BYTES
    for chunk in packed:
        start = _packed_start(data, chunk)
        if start is not None:
            left -= _inflated_bytes([data[start : chunk.end]], left)
        if left <= 0:
            raise InvalidImageError(
                "the PNG has texts or profiles of more than "
                f"{_MOST_PACKED_TEXT_BYTES // 2**20} MiB when unpacked; save it without them"
            )


def refuse_surplus(data: bytes, chunks: Chunks) -> None:
    """Refuse data that goes on far beyond the last row, all of which the decoder would inflate.

    Where there is enough of it to hurt, samples tell whether it looks like a picture's. If not, it
    is inflated up to the picture's size. Data made to look like a picture's gets through.
    """
    rows_bytes = _rows_bytes(data)
    most = rows_bytes + rows_bytes // 4 + _SLACK_BYTES  # some encoders do worse than not packing
    surplus = chunks.image_bytes > most
    if not surplus and chunks.image_bytes * _MOST_DEFLATED > rows_bytes + _HARMLESS_SURPLUS_BYTES:
        surplus = _looks_repetitive(data, chunks) and _inflates_beyond(data, rows_bytes)
    if surplus:
        raise InvalidImageError(
            "the PNG is damaged: it has far more data than pixels; save it again"
        )


def _rows_bytes(data: bytes) -> int:
    """Bytes that the picture's data inflates to: its rows, each with the number of its filter."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    bits = depth * _CHANNELS.get(colour, 4)
    if not interlaced:
        return int(height * (1 + (width * bits + 7) // 8))
    total = 0
    for first_column, first_row, columns_step, rows_step in _ADAM7:
        columns = -(-max(width - first_column, 0) // columns_step)
        rows = -(-max(height - first_row, 0) // rows_step)
        total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return total


def _looks_repetitive(data: bytes, chunks: Chunks) -> bool:
    """Whether a sample of the packed data has few values, which what packs well has."""
    end = chunks.image_at + chunks.image_bytes
    return any(
        len(set(data[at : at + _SAMPLE_BYTES])) < _FEW_VALUES
        for at in range(chunks.image_at + _SAMPLE_BYTES, end - _SAMPLE_BYTES, _SAMPLE_STEP)
    )


def _inflates_beyond(data: bytes, rows_bytes: int) -> bool:
    most = rows_bytes + _TOLERATED_SURPLUS_BYTES
    return _inflated_bytes(_image_data(data), most) >= most


def _image_data(data: bytes) -> Iterator[bytes]:
    at = len(SIGNATURE)
    while True:
        length, kind = _chunk_head(data, at)
        if kind == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        elif kind == b"IEND":
            return
        at += CHUNK_OVERHEAD + length


def _packed_start(data: bytes, chunk: Chunk) -> int | None:
    """Offset of what is packed in a text or profile; None if nothing is."""
    after_keyword = data.find(b"\0", chunk.start, chunk.end) + 1
    if not after_keyword:
        return None
    if chunk.kind != b"iTXt":
        return after_keyword + 1
    if data[after_keyword : after_keyword + 1] != b"\1":
        return None
    after_language = data.find(b"\0", after_keyword + 2, chunk.end) + 1
    after_title = data.find(b"\0", after_language, chunk.end) + 1
    return after_title if after_language and after_title else None


def _inflated_bytes(parts: Iterator[bytes] | list[bytes], most: int) -> int:
    """Bytes that deflated data becomes, counted up to `most`; damaged data ends where it is."""
    inflate = zlib.decompressobj()
    count = 0
    for part in parts:
        while part and count < most:
            try:
                count += len(inflate.decompress(part, min(2**20, most - count)))
            except zlib.error:
                return count
            part = inflate.unconsumed_tail
        if count >= most or inflate.eof:
            break
    return count
