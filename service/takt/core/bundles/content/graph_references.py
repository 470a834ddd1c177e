"""Finds the files that a graph tells its engine to read, before any engine sees the graph.

An ONNX graph may keep weights in files beside it, or name the file of a compiled engine. Only the
fields that lead there are read; weights are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from takt.core.bundles.reading import chunks_of
from takt.core.errors import BundleError

MESSAGES: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {13: "StringStringEntryProto"},
    "StringStringEntryProto": {},
}
"""By message of ONNX: the fields that lead to a tensor's external data, and their messages."""

_TEXTS = {
    "NodeProto": {4: "operator"},
    "AttributeProto": {1: "name", 4: "text"},
    "StringStringEntryProto": {1: "key", 2: "value"},
}
_NUMBERS = {"AttributeProto": {3: "number"}}

_NEEDLES = (b"location", b"EPContext")
"""A file that has none of these bytes refers to no other file, whatever else it is."""

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
_GROUPS = (3, 4)
_VARINT_BYTES = 10
_WINDOW_BYTES = 1 << 12
_TEXT_BYTES = 1 << 12
_FIELDS = 200_000
_DEPTH = 32


@dataclass
class _Seen:
    """Texts and numbers of one message."""

    texts: dict[str, bytes]
    numbers: dict[str, int]


class _NoProtobufError(Exception):
    """Bytes that no parser of protocol buffers takes."""


class _UnclearError(Exception):
    """A graph that is not followed any further; the reason in words."""


def referenced_files(file: Path, stream: BinaryIO) -> set[str]:
    """Names of the files that an ONNX graph refers to, as they stand in it.

    Bytes that are no protocol buffer refer to nothing; an engine will refuse them.

    Args:
        file: to name in errors.
        stream: of the file, which can seek.

    Raises:
        BundleError: the graph has so many parts, or such strange ones, that this cannot be told.
    """
    walk = _Walk(stream)
    try:
        walk.message("ModelProto", 0, os.fstat(stream.fileno()).st_size, 0)
    except _NoProtobufError:
        pass
    except _UnclearError as error:
        if _has_needle(stream):
            raise BundleError(f"{file} {error}") from None
    return walk.found


def _has_needle(stream: BinaryIO) -> bool:
    before = b""
    for chunk in chunks_of(stream):
        text = before + chunk
        if any(needle in text for needle in _NEEDLES):
            return True
        before = text[1 - max(map(len, _NEEDLES)) :]
    return False


class _Walk:
    def __init__(self, stream: BinaryIO) -> None:
        self.found: set[str] = set()
        self._stream = stream
        self._window = b""
        self._window_at = 0
        self._fields_left = _FIELDS

    def message(self, kind: str, start: int, end: int, depth: int) -> _Seen:
        """Reads one message, and those in it that may lead to a reference."""
        if depth > _DEPTH:
            raise _UnclearError("has graphs in graphs, deeper than is served")
        seen = _Seen({}, {})
        attributes: list[_Seen] = []
        inner, texts, numbers = MESSAGES[kind], _TEXTS.get(kind, {}), _NUMBERS.get(kind, {})
        for number, wire, value, at in self._fields(start, end):
            if wire == _VARINT and number in numbers:
                seen.numbers[numbers[number]] = value
            elif wire == _BYTES and number in texts:
                self._stream.seek(at)
                seen.texts[texts[number]] = self._stream.read(min(value, _TEXT_BYTES))
            elif wire == _BYTES and number in inner:
                one = self.message(inner[number], at, at + value, depth + 1)
                if kind == "NodeProto":
                    attributes.append(one)
                elif kind == "TensorProto" and one.texts.get("key") == b"location":
                    self._refers_to(one.texts.get("value", b""))
        if seen.texts.get("operator") == b"EPContext":
            self._context(attributes)
        return seen

    def _context(self, attributes: list[_Seen]) -> None:
        """A compiled engine: within the graph, or in a file of its own."""
        if any(
            one.texts.get("name") == b"embed_mode" and one.numbers.get("number", 0) != 1
            for one in attributes
        ):
            for one in attributes:
                if one.texts.get("name") == b"ep_cache_context":
                    self._refers_to(one.texts.get("text", b""))

    def _refers_to(self, name: bytes) -> None:
        self.found.add(name.decode("utf-8", "replace"))

    def _fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """(number, wire type, value or length, offset of the content) of each field."""
        at = start
        while at < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise _UnclearError("has more parts than a graph that is served")
            tag, at = self._varint(at)
            number, wire = tag >> 3, tag & 7
            value = length = 0
            if wire == _BYTES:
                value, at = self._varint(at)
                length = value
            elif wire == _VARINT:
                value, at = self._varint(at)
            elif wire in _FIXED:
                length = _FIXED[wire]
            elif wire in _GROUPS:
                raise _UnclearError("is written in a way that no exporter does")
            else:
                raise _NoProtobufError
            if number == 0 or at + length > end:
                raise _NoProtobufError
            yield number, wire, value, at
            at += length

    def _varint(self, at: int) -> tuple[int, int]:
        """The number at an offset, and the offset behind it."""
        index = at - self._window_at
        if not 0 <= index <= len(self._window) - _VARINT_BYTES:
            self._stream.seek(at)
            self._window, self._window_at, index = self._stream.read(_WINDOW_BYTES), at, 0
        value = shift = 0
        for byte in self._window[index : index + _VARINT_BYTES]:
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, at + shift // 7
        raise _NoProtobufError
