"""Frames of Modbus that are wrong in many ways, and what the specification has for each."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_FUNCTIONS = (3, 4, 6, 16, 22, 23)
_EDGES = (0, 1, 2, 3, 50, 53, 54, 121, 122, 123, 124, 125, 126, 127, 128, 129, 255, 256, 0x7FFF)
_COUNTS = (*_EDGES, 0x8000, 0xFFFF)
_ADDRESSES = (0, 1, 2, 5, 21, 52, 53, 2999, 3000, 3002, 3015, 3016, 5006, 0xFFFE, 0xFFFF)
_WRITTEN, _READ = range(0, 53), range(3000, 3016)


@dataclass(frozen=True, slots=True)
class Attack:
    """What is sent over one connection.

    Attributes:
        name: of its kind.
        pieces: what is sent, one after another.
        requests: what is whole in it, in order; each is answered.
        ends: whether the connection ends then; else the next request is answered.
    """

    name: str
    pieces: Sequence[bytes]
    requests: Sequence[bytes] = ()
    ends: bool = False


def frame(request: bytes, transaction: int = 1) -> bytes:
    """A whole frame."""
    return struct.pack(">HHHB", transaction, 0, len(request) + 1, 1) + request


def wrong(request: bytes, answer: bytes) -> str:
    """What is wrong with an answer; empty if nothing is."""
    function, expected = request[0], _expected(request)
    if expected:
        right = bytes([function | 0x80, expected])
        return "" if answer == right else f"{answer[:8].hex()} and not exception {expected}"
    (count,) = struct.unpack(">H", request[3:5])
    right = bytes([function, 2 * count])
    return "" if answer[:2] == right and len(answer) == 2 + 2 * count else answer[:8].hex()


def _expected(request: bytes) -> int:
    """The exception that the specification has for a request of who may not write; 0 for none."""
    function, rest = request[0], request[1:]
    if function not in _FUNCTIONS:
        return 1
    try:
        match function:
            case 3 | 4:
                address, count = struct.unpack(">HH", rest)
                is_right = 1 <= count <= 125
            case 6:
                is_right = len(rest) == 4
            case 22:
                is_right = len(rest) == 6
            case 16:
                _, count, size = struct.unpack(">HHB", rest[:5])
                is_right = 1 <= count <= 123 and len(rest) - 5 == size == 2 * count
            case _:
                _, read, _, count, size = struct.unpack(">HHHHB", rest[:9])
                is_right = 1 <= count <= 121 and len(rest) - 9 == size == 2 * count
                is_right = is_right and 1 <= read <= 125
    except struct.error:
        return 3
    if not is_right:
        return 3
    if function not in (3, 4):
        return 6
    end_ = address + count - 1
    blocks = (_WRITTEN, _READ) if function == 3 else (_READ,)
    return 0 if any(address in block and end_ in block for block in blocks) else 2


def _request(draw: random.Random) -> bytes:
    """A request whose counts, addresses and lengths seldom fit each other."""
    function = draw.choice(_FUNCTIONS)
    address, count = draw.choice(_ADDRESSES), draw.choice(_COUNTS)
    size = draw.choice((2 * count, 2 * count + 1, draw.randrange(256))) & 0xFF
    words = draw.randbytes(min(draw.choice((size, size, 2 * count, draw.randrange(240))), 240))
    match function:
        case 6:
            made = struct.pack(">BHH", 6, address, count)
        case 16:
            made = struct.pack(">BHHB", 16, address, count, size) + words
        case 22:
            made = struct.pack(">BHHH", 22, address, count, count)
        case 23:
            read = draw.choice((1, count))
            made = struct.pack(">BHHHHB", 23, 3000, read, address, count, size) + words
        case _:
            made = struct.pack(">BHH", function, address, count)
    if draw.random() < 0.2:
        made = made[: draw.randrange(1, len(made) + 1)] + draw.randbytes(draw.randrange(3))
    return made[:253]


def _counts(draw: random.Random) -> Attack:
    request = _request(draw)
    return Attack("counts", [frame(request)], [request])


def _functions(draw: random.Random) -> Attack:
    request = bytes([draw.randrange(256)]) + draw.randbytes(draw.randrange(253))
    return Attack("functions", [frame(request)], [request])


def _glued(draw: random.Random) -> Attack:
    requests = [_request(draw) for _ in range(draw.randrange(2, 12))]
    sent = b"".join(frame(one, number) for number, one in enumerate(requests, 1))
    return Attack("glued", [sent], requests)


def _slow(draw: random.Random) -> Attack:
    request = _request(draw)
    return Attack("slow", [bytes([one]) for one in frame(request)], [request])


def _cut(draw: random.Random) -> Attack:
    whole = frame(_request(draw))
    return Attack("cut", [whole[: draw.randrange(len(whole))]], ends=True)


def _lengths(draw: random.Random) -> Attack:
    """A head whose length no request has."""
    length = draw.choice((0, 1, 255, 256, 0x7FFF, 0xFFFF))
    head = struct.pack(">HHHB", draw.randrange(0x10000), 0, length, draw.randrange(256))
    return Attack("lengths", [head + _request(draw)], ends=True)


def _heads(draw: random.Random) -> Attack:
    """A head of another protocol."""
    request = _request(draw)
    head = struct.pack(">HHHB", 1, draw.randrange(1, 0x10000), len(request) + 1, 1)
    return Attack("heads", [head + request], ends=True)


def _others(draw: random.Random) -> Attack:
    """What is no Modbus."""
    texts = (b"GET / HTTP/1.1\r\nhost: camera\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03")
    sent = draw.choice((*texts, b"\xff" * 300, b"\x00\x01\x00\x01" + draw.randbytes(400)))
    return Attack("others", [sent], ends=True)


KINDS: Sequence[Callable[[random.Random], Attack]] = (
    _counts,
    _counts,
    _functions,
    _glued,
    _slow,
    _cut,
    _lengths,
    _heads,
    _others,
)
