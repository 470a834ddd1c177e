"""What the service asks of an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.domain import AnomalyMap


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """What a graph answers to a batch: anomaly_map float32 [N,h,w], score float32 [N]."""

    anomaly_map: AnomalyMap
    score: NDArray[np.float32]


class Engine(Protocol):
    """One instance of a model, used by one thread at a time unless it is `shareable`."""

    @property
    def shareable(self) -> bool:
        """Whether several threads may run it at once, each as fast as if it were alone.

        Then all the instances that the settings ask for are this one, with one copy of the weights.
        """

    @property
    def description(self) -> str:
        """What runs where, for people: `onnxruntime CPUExecutionProvider, 2 threads`."""

    def infer(self, images: NDArray[np.uint8]) -> EngineOutput:
        """Run a batch, images uint8 [N,H,W,3] RGB.

        Raises:
            EngineError: the runtime failed.
        """

    def trim(self) -> None:
        """Give back memory that batches so far needed, and pictures one by one do not."""

    def close(self) -> None:
        """Give its memory and threads back."""
