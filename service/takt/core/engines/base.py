"""The contract of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import INPUT, OUTPUTS
from takt.core.domain import AnomalyMap, Batch
from takt.core.errors import BundleError

Port = tuple[str, str]
"""Name and element type of an input or output of a graph."""


class EngineOutput(NamedTuple):
    """Output of a graph for a batch: anomaly_map float32 [N,h,w], score float32 [N]."""

    anomaly_map: AnomalyMap
    score: NDArray[np.float32]

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """One output for the pictures of several batches."""
        return cls(
            np.concatenate([part.anomaly_map for part in parts]),
            np.concatenate([part.score for part in parts]),
        )


class Engine(Protocol):
    """One instance of a model; one thread uses it at a time, unless it is `shareable`."""

    @property
    def shareable(self) -> bool:
        """Whether several threads may run it at once, each as fast as if it were alone.

        Then all instances that the settings ask for are this one, with one copy of the weights.
        """

    @property
    def description(self) -> str:
        """What runs where, for people: `onnxruntime CPUExecutionProvider, 2 threads`."""

    def infer(self, images: Batch) -> EngineOutput:
        """Runs a batch, images [N,H,W,3] RGB of the type that the graph takes.

        Raises:
            EngineError: the runtime failed.
            EngineMemoryError: it found no memory.
        """

    def trim(self) -> None:
        """Gives back memory that earlier batches needed and single pictures do not."""

    def close(self) -> None:
        """Gives back all memory and threads."""


def check_signature(
    model: Path, inputs: list[Port], outputs: list[Port], *, uint8: str, float32: str
) -> None:
    """Refuses a graph without a bundle's input and outputs.

    Args:
        model: file of the graph.
        inputs: of the graph.
        outputs: of the graph.
        uint8: the runtime's name of this type.
        float32: the runtime's name of this type.

    Raises:
        BundleError: the graph has other inputs, or lacks an output.
    """
    found = dict(outputs)
    if inputs not in ([(INPUT, uint8)], [(INPUT, float32)]) or any(
        found.get(name) != float32 for name in OUTPUTS
    ):
        raise BundleError(
            f"{model} takes {inputs} and gives {found}; a bundle's graph takes {INPUT!r} as "
            f"uint8 or float32 [N,H,W,3] and gives {OUTPUTS} as float32"
        )
