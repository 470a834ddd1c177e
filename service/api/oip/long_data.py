"""What is long in a request's JSON, taken out of it before it is parsed: pixels and pictures.

A JSON parser would read a million numbers, or a picture in base64, in one go, in which no other
thread has a turn, and would hold eight bytes for each number. Here it goes slice by slice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import RequestError

Bytes = NDArray[np.uint8]

SLICE_BYTES = 1 << 18
"""Text that is read at once: about a millisecond's worth."""

LONG_BYTES = 1 << 14
"""Strings from this length on are taken out."""

MAX_VALUES = 1 << 16
"""Most commas and brackets of what is left, which a parser then makes objects of."""

_DATA = b'"data"'
_NUMBERS = re.compile(rb"\s*:\s*(\[[\s\[]*)[0-9]")
_STRINGS = re.compile(rb"\s*:[\s\[]*\"")
_NEXT_STRING = re.compile(rb"[\s,\[\]]*\"")
_ARRAY = re.compile(rb"[\s0-9,\[\]]*")
_WHOLE = "give the pixels as whole numbers of 0 to 255, or as binary data"
_OTHER, _SPACE, _DIGIT, _COMMA, _OPEN, _CLOSE = range(6)


@dataclass(frozen=True, slots=True)
class Taken:
    """A request's JSON without what was long in it.

    Attributes:
        left: JSON that has the index of an array, or of a text, in its place.
        arrays: the numbers of each `data` that has numbers of 0 … 255 only, flat, uint8 [n].
        texts: what stood between the quotes of each long string of a `data`.
    """

    left: bytes
    arrays: Sequence[Bytes]
    texts: Sequence[memoryview]


def take_long_data(text: bytes) -> Taken:
    """Take numbers and long strings out of a request.

    Args:
        text: JSON, of which nothing is known yet.

    Raises:
        RequestError: numbers are out of range or malformed; or what is left has more than
            `MAX_VALUES` values.
    """
    parts: list[bytes] = []
    arrays: list[Bytes] = []
    texts: list[memoryview] = []
    copied = at = 0
    # In JSON these bytes are always a whole string: a quote within one has a backslash before it,
    # and then the string's own end comes where ours does.
    while (at := _find(text, _DATA, at)) >= 0:
        at += len(_DATA)
        if start := _NUMBERS.match(text, at, at + SLICE_BYTES):
            begin, end = start.start(1), _end_of_array(text, start.start(1))
            if end is not None:
                parts += text[copied:begin], b"%d" % len(arrays)
                arrays.append(_numbers(text, begin, end))
                copied = at = end
        elif start := _STRINGS.match(text, at, at + SLICE_BYTES):
            for begin, end in _long_strings(text, start.end()):
                parts += text[copied : begin - 1], b"%d" % len(texts)
                texts.append(memoryview(text)[begin:end])
                copied = at = end + 1
    left = b"".join((*parts, text[copied:])) if parts else text
    if sum(left.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise RequestError(f"the JSON has more than {MAX_VALUES} values; {_WHOLE}")
    return Taken(left, arrays, texts)


def _find(text: bytes, what: bytes, at: int, end: int | None = None) -> int:
    """`text.find`, a slice at a time."""
    end = len(text) if end is None else end
    while at < end:
        found = text.find(what, at, min(at + SLICE_BYTES + len(what), end))
        if found >= 0:
            return found
        at += SLICE_BYTES
    return -1


def _long_strings(text: bytes, begin: int) -> Iterator[tuple[int, int]]:
    """Where the long ones of the strings in a list begin and end; the first one begins here."""
    while (end := _find(text, b'"', begin)) >= 0:
        if _find(text, b"\\", begin, end) >= 0:
            return  # An escape; the parser shall read the rest.
        if end - begin >= LONG_BYTES:
            yield begin, end
        if not (following := _NEXT_STRING.match(text, end + 1, end + 1 + SLICE_BYTES)):
            return
        begin = following.end()


def _end_of_array(text: bytes, begin: int) -> int | None:
    """Where an array ends that has numbers only; None if it has something else."""
    at = begin
    while at < len(text):
        found = _ARRAY.match(text, at, at + SLICE_BYTES)
        assert found is not None
        if found.end() == at:
            break
        at = found.end()
    tail = text[max(begin, at - SLICE_BYTES) : at]
    end = at - len(tail) + len(tail.rstrip(b" \t\r\n,"))
    return end if text[end - 1 : end] == b"]" else None


def _numbers(text: bytes, begin: int, end: int) -> Bytes:
    slices, depth, kinds = [], 0, _table_of_kinds()
    allowed = _table_of_pairs()
    while begin < end:
        # Cut after a comma, so that no number is cut.
        cut = end
        if end - begin > SLICE_BYTES:
            cut = text.rfind(b",", begin, begin + SLICE_BYTES) + 1
            if not cut:
                raise RequestError(f"the numbers of `data` are malformed; {_WHOLE}")
        read, depth = _slice(text[begin:cut], depth, kinds, allowed, last=cut == end)
        slices.append(read)
        begin = cut
    return np.concatenate(slices)


def _slice(
    text: bytes, depth: int, kinds: Bytes, allowed: NDArray[np.bool_], *, last: bool
) -> tuple[Bytes, int]:
    """The numbers of a part, and how many brackets are open after it."""
    # A comma before it: what follows a comma may also begin an array. And nothing is before that.
    signs = np.frombuffer(b"," + text, np.uint8)
    kind = kinds[signs]
    if (spaces := kind == _SPACE).any():
        kept = np.flatnonzero(~spaces)
        signs, kind = signs[kept], kind[kept]
        digits = kind == _DIGIT
        if (digits[1:] & digits[:-1] & (np.diff(kept) > 1)).any():
            raise RequestError("a comma is missing between the numbers of `data`")
    if not allowed[kind[:-1], kind[1:]].all():
        raise RequestError(f"the numbers of `data` are malformed; {_WHOLE}")
    open_after = depth + np.cumsum((kind == _OPEN).astype(np.int32) - (kind == _CLOSE))
    closed = np.flatnonzero(open_after[1:] < 1) + 1
    if (len(closed) > 0) != last or (last and closed[0] != len(kind) - 1):
        raise RequestError("the brackets of `data` do not match")
    return _values(signs, kind == _DIGIT), int(open_after[-1])


def _values(signs: Bytes, is_digit: NDArray[np.bool_]) -> Bytes:
    """The numbers that end where a digit is followed by something else."""
    padded = np.concatenate((np.zeros(2, bool), is_digit))
    digits = np.concatenate((np.zeros(2, np.uint16), signs - np.uint16(ord("0"))))
    last = np.flatnonzero(padded & ~np.append(padded[1:], False))
    tens, hundreds = padded[last - 1], padded[last - 1] & padded[last - 2]
    values: NDArray[np.int64] = (
        digits[last] + 10 * tens * digits[last - 1] + 100 * hundreds * digits[last - 2]
    )
    longer = hundreds & padded[last - 3]
    leading_zero = (tens & (digits[last - 1] == 0) & ~hundreds) | (
        hundreds & (digits[last - 2] == 0)
    )
    if longer.any() or leading_zero.any() or (values > 255).any():
        raise RequestError(f"a number of `data` is none of 0 to 255; {_WHOLE}")
    return values.astype(np.uint8)


def _table_of_kinds() -> Bytes:
    kinds = np.full(256, _OTHER, np.uint8)
    for characters, kind in (
        (b" \t\r\n", _SPACE),
        (b"0123456789", _DIGIT),
        (b",", _COMMA),
        (b"[", _OPEN),
        (b"]", _CLOSE),
    ):
        kinds[list(characters)] = kind
    return kinds


def _table_of_pairs() -> NDArray[np.bool_]:
    """Which kind may follow which."""
    allowed = np.zeros((6, 6), bool)
    for before, after in (
        (_DIGIT, (_DIGIT, _COMMA, _CLOSE)),
        (_COMMA, (_DIGIT, _OPEN)),
        (_OPEN, (_DIGIT, _OPEN)),
        (_CLOSE, (_COMMA, _CLOSE)),
    ):
        allowed[before, list(after)] = True
    return allowed
