"""An engine as what the batcher runs: pictures in, an answer for each out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.domain import Image, ModelOutput
from service.engines.base import Engine


def batch_runner(engine: Engine) -> Callable[[list[Image]], list[ModelOutput]]:
    """What a batcher calls; batches are put together in memory that is used again and again.

    Args:
        engine: that runs them; no two runners share the memory, though they may share the engine.
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
