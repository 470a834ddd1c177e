"""An engine for tests and dry runs: without a model, brightness is the anomaly."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from takt.core.domain import Batch
from takt.core.engines.base import EngineOutput
from takt.core.errors import EngineError

FakeFault = Literal["raise", "hang", "die", "nan", "wrong_shape", "wrong_type", "out_of_memory"]
"""What may go wrong with a batch; `hang` lasts until `gate` is set or the engine is released."""


class FakeEngine:
    """Answers the mean of the three channels / 255 as the map, and its maximum as the score.

    >>> engine = FakeEngine(faults=["raise"])
    >>> white = np.full((1, 2, 2, 3), 255, np.uint8)
    >>> engine.infer(white)
    Traceback (most recent call last):
    takt.core.errors.EngineError: the engine failed on a batch: it was told to
    >>> engine.infer(white).score
    array([1.], dtype=float32)

    Args:
        faults: of the next batches, one each; None for a batch that goes well.

    Attributes:
        batch_sizes: of the batches that it ran, in order.
        fail: while set, every batch fails.
        closed: whether it was closed.
        gate: a batch waits until this is set.
        faults: of the next batches; may be set at any time.
        most: larger batches find no memory.
        released: ends batches that hang.
    """

    description = "fake"
    shareable = False

    def __init__(self, faults: Iterable[FakeFault | None] = ()) -> None:
        self.batch_sizes: list[int] = []
        self.fail = False
        self.closed = False
        self.gate = threading.Event()
        self.gate.set()
        self.faults: Iterator[FakeFault | None] = iter(faults)
        self.most: int | None = None
        self.released = threading.Event()

    def infer(self, images: Batch) -> EngineOutput:
        """Runs a batch, images [N,H,W,3] RGB."""
        self.batch_sizes.append(len(images))
        fault = next(self.faults, None)
        if fault == "hang":
            self.released.wait()
        self.gate.wait()
        if self.fail or fault == "raise":
            raise EngineError("the engine failed on a batch: it was told to")
        if fault == "die":
            raise SystemExit("the engine's thread was told to die")
        if fault == "out_of_memory" or len(images) > (self.most or len(images)):
            raise MemoryError("the engine was told to find no memory")
        anomaly_map = (images.mean(axis=-1) / 255).astype(np.float32)
        score = anomaly_map.max(axis=(1, 2))
        if fault == "nan":
            anomaly_map[:, 0, 0] = np.nan
        if fault == "wrong_shape":
            anomaly_map = anomaly_map[:, ::2, ::2]
        if fault == "wrong_type":
            anomaly_map = anomaly_map.astype(np.float64)
        return EngineOutput(anomaly_map, score)

    def trim(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Sets `closed`."""
        self.closed = True
