"""An inference request as it came: its pictures apart, the rest short enough to be parsed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from takt.core.errors import ImageTooLargeError, RequestError

MAX_HEAD_BYTES = 512 * 1024
"""Most bytes of a message beside `raw_input_contents`. A parser reads them in one go, in which no
other thread has a turn: as many empty parts take about 20 ms."""

MAX_FIELDS = 1024
"""Most fields of a message, those within its parts not counted."""

_RAW_INPUT_CONTENTS = 7
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


@dataclass(frozen=True, slots=True)
class SplitMessage:
    """An inference request in two parts.

    Attributes:
        head: the message without `raw_input_contents`, to be parsed.
        raw: each of `raw_input_contents`: views of the message, which a parser would copy.
    """

    head: bytes
    raw: list[memoryview]


def split(message: bytes) -> SplitMessage:
    r"""Take the pictures out of a message.

    >>> found = split(b"\x0a\x03nut" b"\x3a\x02ab" b"\x12\x011")
    >>> found.head, [bytes(one) for one in found.raw]
    (b'\n\x03nut\x12\x011', [b'ab'])

    Raises:
        RequestError: the message is damaged.
        ImageTooLargeError: what is to be parsed is too long.
    """
    view, kept_from, head, raw = memoryview(message), 0, [], []
    for number, begin, content, end in _fields(view):
        if number == _RAW_INPUT_CONTENTS:
            head.append(view[kept_from:begin])
            raw.append(view[content:end])
            kept_from = end
    head.append(view[kept_from:])
    if (length := sum(map(len, head))) > MAX_HEAD_BYTES:
        raise ImageTooLargeError(
            f"the message has {length} bytes beside raw_input_contents, {MAX_HEAD_BYTES} are "
            "allowed; send pictures as raw_input_contents"
        )
    return SplitMessage(b"".join(head), raw)


def _fields(view: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """Each field's number, and where it, its content and what follows it begin."""
    at = count = 0
    while at < len(view):
        begin, count = at, count + 1
        if count > MAX_FIELDS:
            raise RequestError(f"the message has more than {MAX_FIELDS} fields")
        tag, at = _varint(view, at)
        number, kind = tag >> 3, tag & 7
        content = at
        if kind == _VARINT:
            _, at = _varint(view, at)
        elif kind == _BYTES:
            length, content = _varint(view, at)
            at = content + length
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise _damaged()
        if at > len(view) or not number or (number == _RAW_INPUT_CONTENTS and kind != _BYTES):
            raise _damaged()
        yield number, begin, content, at


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            break
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _damaged()


def _damaged() -> RequestError:
    return RequestError("the message is no ModelInferRequest: it is cut short or damaged")
