"""Adapts an engine to the batcher: a list of pictures in, an output for each out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.domain import Image, ModelOutput
from service.engines.base import Engine


def batch_runner(engine: Engine) -> Callable[[list[Image]], list[ModelOutput]]:
    """Returns the function that a batcher calls for each batch.

    It stacks batches in memory that it uses again. Two runners never share that memory, though
    they may share the engine.

    >>> from service.engines.fake import FakeEngine
    >>> run = batch_runner(FakeEngine())
    >>> black, white = (np.full((2, 2, 3), value, np.uint8) for value in (0, 255))
    >>> [output.score for output in run([black, white])]
    [0.0, 1.0]

    Args:
        engine: runs the batches.
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
        return [
            ModelOutput(anomaly_map, float(score))
            for anomaly_map, score in zip(output.anomaly_map, output.score, strict=True)
        ]

    return run
