"""Sessions that break the rules of the stream protocol or those of WebSockets."""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.hostile.pictures import mutant, originals

WELCOME_WITHIN_S = 10.0
TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


@dataclass(frozen=True, slots=True)
class StreamSession:
    """All that a client sends, in one go.

    Attributes:
        name: what is wrong.
        handshake: the request that opens the WebSocket.
        data: the frames behind it.
    """

    name: str
    handshake: bytes
    data: bytes


def handshake(model: str, *headers: str) -> bytes:
    """The request that opens a stream."""
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        f"GET /v1/models/{model}/stream HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket",
        "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers,
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(
    kind: int,
    data: bytes,
    *,
    last: bool = True,
    masked: bool = True,
    reserved: int = 0,
    claimed: int | None = None,
) -> bytes:
    """A WebSocket frame, masked by zeros; its length may claim something else."""
    length = len(data) if claimed is None else claimed
    first = kind | reserved << 4 | (0x80 if last else 0)
    mask = 0x80 if masked else 0
    if length < 126:
        head = struct.pack(">BB", first, mask | length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", first, mask | 126, length)
    else:
        head = struct.pack(">BBQ", first, mask | 127, length)
    return head + (bytes(4) if masked else b"") + data


def text(message: Any) -> bytes:
    """A text message."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return frame(TEXT, body)


def picture(sequence: int, data: bytes, kind: int = 0, width: int = 0, height: int = 0) -> bytes:
    """A picture as the stream protocol has it."""
    head = struct.pack("<2sBBIQQII", b"TK", 1, kind, 0, sequence % 2**64, 0, width, height)
    return frame(BINARY, head + data)


def hello(**fields: Any) -> bytes:
    """The first message."""
    return text({"type": "hello", **fields})


HELLO = hello()
BYE = text({"type": "bye"})

_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**64, 2**64 - 1, 2**100, -(2**64), 1e308, 0.5, "", "x" * 65, [], {},
    {"k": 0, "n": 0}, {"k": 5, "n": 3}, {"k": 1, "n": 2**63}, "latest", "NaN", "é" * 100,
)  # fmt: skip
_FIELDS = (
    "policy", "heatmap", "format", "threshold", "pixel_threshold", "timeout_ms", "priority", "vote",
    "smoothing", "session", "last_sequence", "type", "unknown",
)  # fmt: skip


def _good(rng: random.Random) -> bytes:
    return rng.choice([data for name, data in originals().items() if name.startswith("jpeg")])


def _hello(rng: random.Random) -> bytes:
    """A hello with an odd field, then a frame."""
    fields: dict[str, Any] = {"type": "hello"}
    for name in rng.sample(_FIELDS, rng.choice((1, 1, 2))):
        fields[name] = rng.choice(_ODD)
    if fields.get("timeout_ms") == 0.5:
        fields["timeout_ms"] = 5000.5  # half a millisecond gets the 504 that it asks for
    return text(fields) + picture(rng.choice((0, 1, 2**63, 2**64 - 1)), _good(rng)) + BYE


def _order(rng: random.Random) -> bytes:
    """Messages in any order."""
    one, other = picture(0, _good(rng)), picture(1, _good(rng))
    parts = [HELLO, one, other, BYE, text({"type": "stats"}), text({"type": "welcome"}), HELLO]
    return b"".join(rng.choices(parts, k=rng.randint(1, 6)))


def _frames(rng: random.Random) -> bytes:
    """Tampered pictures, and headers whose fields do not fit."""
    parts, sequence = [HELLO], 0
    for _ in range(rng.randint(1, 4)):
        sequence += rng.choice((1, 1, 1, 0, -1, 2**40, 2**64))
        kind = rng.choice((0, 0, 0, 1, 2, 3, 4, 255))
        size = rng.choice((0, 0, 1, 4, 2**16, 2**32 - 1))
        if kind == 0 and rng.random() < 0.7:
            parts.append(picture(sequence, mutant(rng).data))
        else:
            parts.append(picture(sequence, bytes(rng.choice((0, 1, 16, 48))), kind, size, size))
    if rng.random() < 0.2:
        parts.append(frame(BINARY, rng.randbytes(rng.choice((0, 1, 31, 32, 40)))))
    return b"".join([*parts, BYE])


def _texts(rng: random.Random) -> bytes:
    """Text messages that are no messages."""
    bodies: tuple[bytes, ...] = (
        b"", b"{", b"[]", b"null", b'"hello"', b"\xff\xfe", b"{}", b'{"type":1}', b"[" * 10_000,
        b'{"type":"hello"}' * 2, b'{"type":"hello","type":"bye"}',
        b'{"type":"' + b"x" * 70_000 + b'"}',
        b"\xf4\x90\x80\x80", b'{"type":"hel\\ud800lo"}',
    )  # fmt: skip
    first = HELLO if rng.random() < 0.5 else b""
    return first + text(rng.choice(bodies)) + BYE


def _controls(rng: random.Random) -> bytes:
    """Control frames that WebSockets forbid, and too many of those that they allow."""
    kinds = (
        frame(PING, bytes(126)),
        frame(PING, b"", last=False),
        frame(PING, b"x") * 500,
        frame(PONG, b"x") * 500,
        frame(CLOSE, b"\x03"),
        frame(CLOSE, struct.pack(">H", rng.choice((0, 999, 1004, 1005, 1006, 1015, 2999, 65535)))),
        frame(CLOSE, struct.pack(">H", 1000) + b"\xff" * 10),
        frame(CLOSE, struct.pack(">H", 1000)) * 3 + HELLO,
    )
    first = HELLO if rng.random() < 0.7 else b""
    return first + rng.choice(kinds) + BYE


def _framing(rng: random.Random) -> bytes:
    """Frames that are none."""
    body = b'{"type":"stats"}'
    kinds = (
        frame(TEXT, body, masked=False),
        frame(TEXT, body, reserved=rng.randint(1, 7)),
        frame(rng.choice((3, 4, 5, 6, 7, 11, 15)), body),
        frame(CONTINUATION, body),
        frame(TEXT, body, last=False) + frame(TEXT, body),
        frame(TEXT, body, last=False) + frame(PING, b"") + frame(CONTINUATION, b""),
        frame(TEXT, b"a", last=False) + frame(CONTINUATION, b"a", last=False) * 3000,
        frame(BINARY, b"", claimed=1 << 62),
        frame(BINARY, b"", claimed=1 << 63),
        frame(BINARY, b"", claimed=1 << 30),
        frame(BINARY, bytes(100), claimed=101),
        frame(TEXT, b"", last=False) * 2,
        rng.randbytes(rng.choice((1, 2, 60))),
    )
    first = HELLO if rng.random() < 0.7 else b""
    return first + rng.choice(kinds)


_KINDS: tuple[tuple[str, Callable[[random.Random], bytes], float], ...] = (
    ("hello", _hello, 3),
    ("order", _order, 2),
    ("frames", _frames, 4),
    ("texts", _texts, 2),
    ("controls", _controls, 2),
    ("framing", _framing, 2),
)


def broken_session(rng: random.Random, model: str) -> StreamSession:
    """A session that is broken in some way."""
    name, make, _ = rng.choices(_KINDS, [weight for *_, weight in _KINDS])[0]
    return StreamSession(f"stream: {name}", handshake(model), make(rng))
