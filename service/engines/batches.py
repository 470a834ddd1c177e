"""Adapts an engine to the batcher: a list of pictures in, an output for each out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.domain import Image, ModelOutput
from service.engines.base import Engine, EngineOutput
from service.errors import EngineError

MapShape = tuple[int, ...]
"""(h, w) of the map that the engine gives of a picture."""

_FLOAT32 = np.dtype(np.float32)
_AT_ONCE = 8192
"""Most values of which the squares are summed; BLAS would spread many more over threads."""


def batch_runner(
    engine: Engine, map_shape: MapShape | None = None
) -> Callable[[list[Image]], list[ModelOutput]]:
    """Returns the function that a batcher calls for each batch.

    It stacks batches in memory that it uses again. Two runners never share that memory, though
    they may share the engine.

    >>> from service.engines.fake import FakeEngine
    >>> run = batch_runner(FakeEngine(), map_shape=(2, 2))
    >>> black, white = (np.full((2, 2, 3), value, np.uint8) for value in (0, 255))
    >>> [output.score for output in run([black, white])]
    [0.0, 1.0]

    Args:
        engine: runs the batches.
        map_shape: of the golden answers; an answer of another shape, or with values that are not
            finite, is an EngineError. None leaves answers unchecked.
    """
    batches: NDArray[np.uint8] = np.empty((0, 0, 0, 0), np.uint8)

    def run(images: list[Image]) -> list[ModelOutput]:
        nonlocal batches
        count = len(images)
        if count == 1:
            output = engine.infer(images[0][None])
        else:
            shape = images[0].shape
            if len(batches) < count or batches.shape[1:] != shape:
                batches = np.empty((count, *shape), np.uint8)
            output = engine.infer(np.stack(images, out=batches[:count]))
        if map_shape is not None:
            _check(output, count, map_shape)
        return [
            ModelOutput(anomaly_map, float(score))
            for anomaly_map, score in zip(output.anomaly_map, output.score, strict=True)
        ]

    return run


def _check(output: EngineOutput, count: int, map_shape: MapShape) -> None:
    """Refuses what no golden answer looks like.

    Raises:
        EngineError: the shapes or types differ, or a value is NaN or infinite.
    """
    anomaly_map, score = output.anomaly_map, output.score
    found = (anomaly_map.shape, anomaly_map.dtype, score.shape, score.dtype)
    due = ((count, *map_shape), _FLOAT32, (count,), _FLOAT32)
    if found != due:
        raise EngineError(
            f"the engine answered {_described(*found)}, where {_described(*due)} is due; serve the "
            "bundle with another engine, or export it again"
        )
    if not (_finite(anomaly_map) and _finite(score)):
        raise EngineError(
            "the model answered with a value that is not finite, so the picture was not judged; "
            "if others are refused too, serve the bundle with another engine or export it again"
        )


def _finite(values: NDArray[np.float32]) -> bool:
    """Whether no value is NaN or infinite."""
    flat = values.ravel()
    # A finite sum of squares has finite squares, and takes a fifth of the time of a look at each.
    if flat.size <= _AT_ONCE and math.isfinite(np.dot(flat, flat)):
        return True
    return bool(np.isfinite(flat).all())


def _described(
    map_shape: MapShape, map_type: np.dtype[np.float32], shape: MapShape, kind: np.dtype[np.float32]
) -> str:
    return f"a map {map_type}{list(map_shape)} and a score {kind}{list(shape)}"
