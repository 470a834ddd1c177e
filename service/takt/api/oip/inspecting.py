"""One inference request, read and inspected, whichever transport it came by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar, TypeVarTuple

from takt.api.oip.request import InferenceRequest
from takt.core.domain import Inspection
from takt.core.errors import DeadlineExceededError, RequestError
from takt.core.inspection.pipeline import Pipeline
from takt.core.pictures.prepare import Picture

SHORT_BYTES = 1 << 16
"""Longest JSON that the event loop reads itself, in about a millisecond; a thread reads longer
JSON."""

_Answer = TypeVar("_Answer")
_Given = TypeVarTuple("_Given")


async def in_turn(length: int, read: Callable[[*_Given], _Answer], *given: *_Given) -> _Answer:
    """What `read` finds in something of so many bytes; a thread reads what is long."""
    if length <= SHORT_BYTES:
        return read(*given)
    return await asyncio.to_thread(read, *given)


async def inspect_together(
    pipeline: Pipeline, request: InferenceRequest, taken_s: float, caller: str
) -> Sequence[Inspection]:
    """Inspect all pictures at the same time; the first error ends the others.

    Args:
        pipeline: the model's.
        request: the pictures and their options.
        taken_s: time that reading the request took, which counts towards its timeout.
        caller: whose share of the queue they take.

    Raises:
        TaktError: the first error of `Pipeline.inspect`.
    """
    left_s = request.options.timeout_s - taken_s
    if left_s <= 0:
        raise DeadlineExceededError(
            f"sending the request took longer than its {request.options.timeout_s * 1000:.0f} ms; "
            "allow more time with timeout_ms"
        )
    options = replace(request.options, timeout_s=left_s, caller=caller)

    async def one(index: int, picture: Picture) -> Inspection:
        async def read() -> Picture:
            return picture

        try:
            return await pipeline.inspect(read, options)
        except RequestError as error:
            if len(request.pictures) == 1:
                raise
            raise type(error)(f"picture {index}, counted from 0: {error}") from None

    if len(request.pictures) == 1:
        return [await one(0, request.pictures[0])]
    tasks = [asyncio.create_task(one(*numbered)) for numbered in enumerate(request.pictures)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def written(
    write: Callable[[InferenceRequest, Sequence[Inspection]], _Answer],
    request: InferenceRequest,
    inspections: Sequence[Inspection],
) -> _Answer:
    """The answer, as `write` makes it; a thread writes maps and heatmaps, which are long."""
    if request.options.with_map or request.options.heatmap != "none":
        return await asyncio.to_thread(write, request, inspections)
    return write(request, inspections)
