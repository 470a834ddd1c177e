"""An engine for tests and dry runs: without a model, brightness is the anomaly."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from service.engines.base import EngineOutput
from service.errors import EngineError


class FakeEngine:
    """Answers the mean of the three channels / 255 as the map, and its maximum as the score.

    Attributes:
        batch_sizes: of the batches that it ran, in order.
        fail: while set, every batch fails.
        closed: whether it was closed.
        gate: a batch waits until this is set.
    """

    description = "fake"
    shareable = False

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []
        self.fail = False
        self.closed = False
        self.gate = threading.Event()
        self.gate.set()

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        """Runs a batch, images uint8 [N,H,W,3] RGB."""
        self.batch_sizes.append(len(images))
        self.gate.wait()
        if self.fail:
            raise EngineError("the engine failed on a batch: it was told to")
        anomaly_map = (images.mean(axis=-1) / 255).astype(np.float32)
        return EngineOutput(anomaly_map, anomaly_map.max(axis=(1, 2)))

    def trim(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Sets `closed`."""
        self.closed = True
