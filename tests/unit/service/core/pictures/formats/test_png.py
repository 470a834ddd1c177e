"""A PNG is refused before the decoder allocates what it claims or unpacks what it hides."""

from __future__ import annotations

import struct
import time
import zlib

import cv2
import numpy as np
import pytest

from takt.core.errors import InvalidImageError
from takt.core.pictures.decode import decode

MAX_PIXELS = 50_000_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    """A chunk, whose length may be claimed."""
    claimed = len(content) if length is None else length
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", claimed) + kind + content + struct.pack(">I", checksum)


def header(width: int, height: int, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced))


def deflated(content: bytes) -> bytes:
    return zlib.compress(content, 9)


def zeros(count_mib: int) -> bytes:
    """Deflated zeros that go on without end."""
    packer = zlib.compressobj(9, wbits=-15)
    return (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)) * count_mib


def png(*before: bytes, width: int = 8, height: int = 8, data: bytes | None = None) -> bytes:
    packed = deflated(bytes((3 * width + 1) * height)) if data is None else data
    image = b"".join(chunk(b"IDAT", packed[at : at + 2**16]) for at in range(0, len(packed), 2**16))
    return SIGNATURE + header(width, height) + b"".join(before) + image + chunk(b"IEND", b"")


def photo() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    return cv2.imencode(".png", noise)[1].tobytes()


@pytest.mark.parametrize("claimed", [0xFFFFFFF0, 0x7FFFFFF0, 1000])
@pytest.mark.parametrize("kind", [b"tEXt", b"IDAT", b"PLTE", b"tRNS", b"fdAT", b"zTXt", b"abcd"])
def test_a_chunk_that_claims_more_than_is_left_is_refused(kind: bytes, claimed: int) -> None:
    with pytest.raises(InvalidImageError, match=rf"a chunk says {claimed} bytes, of which \d+ are"):
        decode(png(chunk(kind, b"", claimed)), MAX_PIXELS)


@pytest.mark.parametrize("bit", range(20, 32))
def test_a_flipped_high_bit_of_a_length_is_refused(bit: int) -> None:
    data = bytearray(photo())
    data[data.index(b"IDAT") - 1 - bit // 8] ^= 1 << bit % 8

    with pytest.raises(InvalidImageError, match="a chunk says"):
        decode(bytes(data), MAX_PIXELS)


def test_a_png_without_its_last_chunk_is_refused() -> None:
    with pytest.raises(InvalidImageError, match="cut short"):
        decode(png()[:-12], MAX_PIXELS)


@pytest.mark.parametrize("kind", [b"abcd", b"PLTE", b"IDAT"])
def test_a_png_of_endless_chunks_is_refused(kind: bytes) -> None:
    with pytest.raises(InvalidImageError, match="more than 65536 chunks"):
        decode(png(chunk(kind, b"") * 70_000), MAX_PIXELS)


@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"fcTL"])
def test_more_chunks_beside_the_picture_than_anything_writes_are_refused(kind: bytes) -> None:
    assert decode(png(chunk(b"tEXt", b"a\0b") * 900), MAX_PIXELS).shape == (8, 8, 3)

    with pytest.raises(InvalidImageError, match="1000 beside its pictures"):
        decode(png(chunk(kind, b"") * 1001), MAX_PIXELS)


@pytest.mark.parametrize("size", [8, 200])
def test_data_that_goes_on_beyond_the_last_row_is_refused(size: int) -> None:
    data = png(width=size, height=size, data=b"\x78\x9c" + zeros(count_mib=600))
    started_s = time.process_time()

    with pytest.raises(InvalidImageError, match="far more data than pixels"):
        decode(data, MAX_PIXELS)

    assert time.process_time() - started_s < 0.1


def test_surplus_data_behind_noise_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 3001), dtype=np.uint8)
    noise[:, 0] = 0
    packer = zlib.compressobj(1)
    packed = packer.compress(noise.tobytes()) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += zeros(count_mib=600)
    with pytest.raises(InvalidImageError, match="far more data than pixels"):
        decode(png(width=1000, height=400, data=packed), MAX_PIXELS)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_data_that_hardly_packs_is_taken(level: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 3 * 50 + 1), dtype=np.uint8)
    noise[:, 0] = 0

    picture = decode(png(width=50, height=50, data=zlib.compress(noise.tobytes(), level)), 10**6)

    np.testing.assert_array_equal(picture.reshape(50, -1), noise[:, 1:])


def test_a_large_picture_that_packs_well_is_taken() -> None:
    data = png(width=8_000, height=1_000)

    assert decode(data, MAX_PIXELS).shape == (1000, 8_000, 3)


def test_a_well_packed_picture_of_more_data_than_hurts_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("takt.core.pictures.formats.png._HARMLESS_SURPLUS_BYTES", 0)
    row = bytes(1) + bytes(range(30)) * 100
    data = png(width=1000, height=1000, data=zlib.compress(row * 1000, 1))

    assert decode(data, MAX_PIXELS)[0, 5].tolist() == [15, 16, 17]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (33, 64)])
def test_the_worth_of_every_size_is_enough(size: tuple[int, int], interlaced: bool) -> None:
    width, height = size
    stored = bytes((3 * width + 2) * height + 16)
    data = SIGNATURE + header(width, height, interlaced)
    data += chunk(b"IDAT", zlib.compress(stored, 0)) + chunk(b"IEND", b"")

    assert decode(data, MAX_PIXELS).shape == (height, width, 3)


TEXTS = {
    "zTXt": b"Comment\0\0",
    "iTXt": b"Comment\0\1\0en\0Title\0",
    "iCCP": b"Profile\0\0",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_that_unpack_to_far_more_than_they_are_get_refused(kind: str) -> None:
    text = chunk(kind.encode(), TEXTS[kind] + deflated(b"x" * 7_000_000))

    with pytest.raises(InvalidImageError, match="8 MiB when unpacked"):
        decode(png(text * 3), MAX_PIXELS)


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_of_usual_size_are_taken(kind: str) -> None:
    noise = np.random.default_rng(0).bytes(50_000).hex().encode()
    text = chunk(kind.encode(), TEXTS[kind] + deflated(noise))

    assert decode(png(text), MAX_PIXELS).shape == (8, 8, 3)


def test_a_text_that_is_not_packed_may_be_long() -> None:
    text = chunk(b"iTXt", b"Comment\0\0\0\0\0" + b"x" * 1_000_000)

    assert decode(png(text, chunk(b"zTXt", b"no end")), MAX_PIXELS).shape == (8, 8, 3)
