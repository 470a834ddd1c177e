"""Calls that are mistakes: `mypy --strict` refuses each, and the client does when it is run.

`make check` holds the first: each `type: ignore` here must be needed. `test_traps.py` holds the
second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from takt_client import AsyncTaktClient, StreamItem, TaktClient
from takt_client.blocking import TaktStream
from takt_client.stream import AsyncTaktStream

PIXELS: NDArray[np.uint8] = np.zeros((3, 5, 3), np.uint8)


class Other:
    """What an image of another library is to the client."""


def of_a_client(client: TaktClient) -> Iterator[Callable[[], object]]:
    """Calls of the blocking client."""
    yield lambda: client.inspect("parts", PIXELS)  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", PIXELS, color="RGB")  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", b"jpeg", color="red")  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", None)  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", Other(), color="bgr")  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", [1, 2, 3])  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", open)  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", b"jpeg", version=1)  # type: ignore[call-overload]
    yield lambda: client.stream("parts", version=1)  # type: ignore[arg-type]
    yield lambda: client.part(17)  # type: ignore[arg-type]


def of_an_async_client(client: AsyncTaktClient) -> Iterator[Callable[[], Awaitable[object]]]:
    """Calls of the async client."""
    yield lambda: client.inspect("parts", PIXELS)  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", PIXELS, color="RGB")  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", b"jpeg", color="red")  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", None)  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", Other(), color="bgr")  # type: ignore[call-overload]
    yield lambda: client.inspect("parts", b"jpeg", version=1)  # type: ignore[call-overload]


def of_a_stream(stream: TaktStream) -> Iterator[Callable[[], object]]:
    """Frames of a blocking stream."""
    yield lambda: stream.send(PIXELS)  # type: ignore[call-overload]
    yield lambda: stream.send(PIXELS, color="BGR")  # type: ignore[call-overload]
    yield lambda: stream.send(None)  # type: ignore[call-overload]
    yield lambda: stream.send(Other(), color="rgb")  # type: ignore[call-overload]


def of_an_async_stream(stream: AsyncTaktStream) -> Iterator[Callable[[], Awaitable[object]]]:
    """Frames of an async stream."""
    yield lambda: stream.send(PIXELS)  # type: ignore[call-overload]
    yield lambda: stream.send(PIXELS, color="BGR")  # type: ignore[call-overload]
    yield lambda: stream.send(None)  # type: ignore[call-overload]
    yield lambda: stream.send(Other(), color="rgb")  # type: ignore[call-overload]


def series(stream: TaktStream) -> Iterator[Callable[[], Iterator[StreamItem]]]:
    """Series of frames of a blocking stream."""
    yield lambda: stream.inspect([PIXELS])  # type: ignore[list-item]
    yield lambda: stream.inspect([Other()])  # type: ignore[list-item]
    yield lambda: stream.inspect([b"jpeg", PIXELS], color="gbr")  # type: ignore[call-overload]
    yield lambda: stream.inspect(b"jpeg")  # type: ignore[arg-type]
    yield lambda: stream.inspect(None)  # type: ignore[call-overload]


def async_series(stream: AsyncTaktStream) -> Iterator[Callable[[], AsyncIterator[StreamItem]]]:
    """Series of frames of an async stream."""
    yield lambda: stream.inspect([PIXELS])  # type: ignore[list-item]
    yield lambda: stream.inspect([Other()])  # type: ignore[list-item]
    yield lambda: stream.inspect([b"jpeg", PIXELS], color="gbr")  # type: ignore[call-overload]
    yield lambda: stream.inspect(b"jpeg")  # type: ignore[arg-type]
    yield lambda: stream.inspect(None)  # type: ignore[call-overload]
