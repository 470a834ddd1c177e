from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from takt.core.bundles.content.arrays import ArraySpec, read_arrays
from takt.core.errors import BundleError

FILE = Path("some.npz")
NUMBERS = ArraySpec("f", 8, 1, 1000)


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(4, dtype=np.float32),
        np.arange(4, dtype=">f8"),
        np.zeros(0, np.float32),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    ],
)
def test_arrays_come_back_as_numpy_reads_them(array: Any) -> None:
    spec = ArraySpec("f", 8, array.ndim, 1000)
    found = read_arrays(FILE, io.BytesIO(npz(a=array)), {"a": spec})["a"]

    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_what_is_not_specified_is_not_read() -> None:
    data = npz(a=np.zeros(3), secret=np.zeros(1_000_000))

    assert list(read_arrays(FILE, io.BytesIO(data), {"a": NUMBERS})) == ["a"]


def test_an_array_that_is_missing_is_named_unless_it_may_be() -> None:
    data = io.BytesIO(npz(a=np.zeros(3)))

    assert list(read_arrays(FILE, data, {"a": NUMBERS, "b": ArraySpec("f", 8, 1, 9, False)})) == [
        "a"
    ]
    with pytest.raises(BundleError, match=r"some\.npz has no array 'b\.npy'"):
        read_arrays(FILE, data, {"b": NUMBERS})


@pytest.mark.parametrize(
    "array", [np.zeros(1001), np.zeros((3, 3)), np.zeros(3, int), np.zeros(3, np.complex64)]
)
def test_another_array_than_specified_is_refused(array: Any) -> None:
    with pytest.raises(BundleError, match="a claims to be"):
        read_arrays(FILE, io.BytesIO(npz(a=array)), {"a": NUMBERS})


def test_damaged_bytes_give_the_arrays_or_a_refusal() -> None:
    data, rng = npz(a=np.arange(50.0)), random.Random(0)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(data[: rng.randint(0, len(data))] if rng.random() < 0.2 else data)
        for _ in range(rng.randint(0, 3)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            read_arrays(FILE, io.BytesIO(bytes(damaged)), {"a": NUMBERS})
        except BundleError:
            refused += 1
    assert refused > 1000
