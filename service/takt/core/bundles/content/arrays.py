"""Reads arrays from an `.npz` file, of which nothing is believed before it is checked.

A few kilobytes may unpack to gigabytes, and a header may claim an array of any size. So the
directory is bounded, and each array's shape and type are judged by its own header before memory is
taken for it. No pickle is read.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from takt.core.errors import BundleError

_ENTRIES = 16
_DIRECTORY_BYTES = 1 << 16
_HEADER_CHARACTERS = 1000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# The end of a ZIP file without a comment: signature, disks, entries, size of the directory.
_END = struct.Struct("<4s4H2LH")
_LOCATOR_OF_LARGE_END = b"PK\x06\x07"
_LOCATOR_BYTES = 20


@dataclass(frozen=True)
class ArraySpec:
    """What an array of a file may be.

    Attributes:
        kinds: numpy's letters of the kinds of its type: `u`, `f`, `U`.
        item_bytes: most bytes of one value.
        axes: number of its axes.
        values: most values that it may have.
        required: whether the file must have it.
    """

    kinds: str
    item_bytes: int
    axes: int
    values: int
    required: bool = True


@dataclass(frozen=True)
class ArrayHeader:
    """What an array's own header says."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def data_bytes(self) -> int:
        """Bytes of all values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_arrays(
    file: Path,
    stream: BinaryIO,
    specs: Mapping[str, ArraySpec],
    check: Callable[[Mapping[str, ArrayHeader]], None] = lambda headers: None,
) -> dict[str, NDArray[Any]]:
    """The arrays that are specified, by name; others in the file are not looked at.

    Args:
        file: to name in errors.
        stream: of the file, which can seek.
        specs: by name of the array.
        check: is given the headers before any array is read; may refuse them.

    Raises:
        BundleError: the file is damaged, or an array is another than its spec allows.
    """
    try:
        _check_directory(stream)
        with zipfile.ZipFile(stream) as stored:
            names = {info.filename: info for info in stored.infolist()}
            headers = {
                name: _header(stored, names[f"{name}.npy"], name, spec)
                for name, spec in specs.items()
                if spec.required or f"{name}.npy" in names
            }
            check(headers)
            return {name: _array(stored, names[f"{name}.npy"]) for name in headers}
    except KeyError as error:
        raise BundleError(f"{file} has no array {error}; export the bundle again") from None
    except (
        OSError,
        EOFError,
        ValueError,
        SyntaxError,
        MemoryError,
        RuntimeError,
        struct.error,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        why = str(error).partition("\n")[0]
        raise BundleError(f"{file} cannot be read ({why}); export the bundle again") from None


def _check_directory(stream: BinaryIO) -> None:
    """Bounds the directory before `zipfile` reads it."""
    size = stream.seek(0, 2)
    tail = min(size, _END.size + _LOCATOR_BYTES)
    stream.seek(size - tail)
    last = stream.read(tail)
    if len(last) < _END.size:
        raise zipfile.BadZipFile("it is no ZIP file")
    signature, *_, entries, directory_bytes, _, _ = _END.unpack(last[-_END.size :])
    if signature != b"PK\x05\x06":
        raise zipfile.BadZipFile("it is no ZIP file")
    if (
        entries > _ENTRIES
        or directory_bytes > _DIRECTORY_BYTES
        or last.startswith(_LOCATOR_OF_LARGE_END)
    ):
        raise zipfile.BadZipFile("its directory is too large")


def _header(
    stored: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, spec: ArraySpec
) -> ArrayHeader:
    if info.compress_type not in _METHODS:
        raise ValueError(f"{name} is compressed in another way than the exporter does")
    with stored.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} is of another version of the format")
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(member, max_header_size=_HEADER_CHARACTERS)
        header = ArrayHeader(shape, dtype)
        if (
            dtype.kind not in spec.kinds
            or dtype.itemsize > spec.item_bytes
            or len(shape) != spec.axes
            or not all(0 <= length <= spec.values for length in shape)
            or math.prod(shape) > spec.values
        ):
            raise ValueError(f"{name} claims to be {dtype} of shape {shape}")
        if info.file_size != member.tell() + header.data_bytes:
            raise ValueError(f"{name} has another size than its header says")
    return header


def _array(stored: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with stored.open(info) as member:
        array: NDArray[Any] = np.lib.format.read_array(
            member, allow_pickle=False, max_header_size=_HEADER_CHARACTERS
        )
        if member.read(1):
            raise ValueError(f"{info.filename} goes on behind its end")
    return array
