"""Adapts an engine to the batcher: a list of pictures in, an output for each out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from takt.core.domain import Batch, ModelInput, ModelOutput
from takt.core.engines.base import Engine, EngineOutput
from takt.core.errors import EngineError
from takt.core.pictures.postprocess import check_finite

MapShape = tuple[int, ...]
"""(h, w) of the map that the engine gives of a picture."""

_FLOAT32 = np.dtype(np.float32)


def batch_runner(
    engine: Engine, map_shape: MapShape | None = None
) -> Callable[[list[ModelInput]], list[ModelOutput]]:
    """Returns the function that a batcher calls for each batch.

    It stacks batches in memory that it uses again. Two runners never share that memory, though
    they may share the engine.

    >>> from takt.core.engines.fake import FakeEngine
    >>> run = batch_runner(FakeEngine(), map_shape=(2, 2))
    >>> black, white = (np.full((2, 2, 3), value, np.uint8) for value in (0, 255))
    >>> [output.score for output in run([black, white])]
    [0.0, 1.0]

    Args:
        engine: runs the batches.
        map_shape: of the golden answers; an answer of another shape, or with values that are not
            finite, is an EngineError. None leaves answers unchecked.
    """
    batches: Batch = np.empty((0, 0, 0, 0), np.uint8)

    def run(images: list[ModelInput]) -> list[ModelOutput]:
        nonlocal batches
        count = len(images)
        if count == 1:
            output = engine.infer(images[0][None])
        else:
            first = images[0]
            alike = batches.shape[1:] == first.shape and batches.dtype == first.dtype
            if len(batches) < count or not alike:
                batches = np.empty((count, *first.shape), first.dtype)
            output = engine.infer(np.stack(images, out=batches[:count]))
        scores: list[float] = output.score.tolist()
        if map_shape is not None:
            _check_shapes(output, count, map_shape)
            check_finite(scores, output.anomaly_map)
        return [
            ModelOutput(anomaly_map, score)
            for anomaly_map, score in zip(output.anomaly_map, scores, strict=True)
        ]

    return run


def _check_shapes(output: EngineOutput, count: int, map_shape: MapShape) -> None:
    """Refuses what no golden answer looks like.

    Raises:
        EngineError: a shape or type differs.
    """
    anomaly_map, score = output.anomaly_map, output.score
    if (
        anomaly_map.shape == (count, *map_shape)
        and score.shape == (count,)
        and anomaly_map.dtype == _FLOAT32
        and score.dtype == _FLOAT32
    ):
        return
    found = _described(anomaly_map.shape, anomaly_map.dtype, score.shape, score.dtype)
    due = _described((count, *map_shape), _FLOAT32, (count,), _FLOAT32)
    raise EngineError(
        f"the engine answered {found}, where {due} is due; serve the bundle with another engine or "
        "export it again"
    )


def _described(
    map_shape: MapShape, map_type: np.dtype[np.float32], shape: MapShape, kind: np.dtype[np.float32]
) -> str:
    return f"a map {map_type}{list(map_shape)} and a score {kind}{list(shape)}"
