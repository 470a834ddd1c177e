"""A graph that Triton runs, as an engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from takt.core.bundles.bundle import INPUT, OUTPUTS
from takt.core.domain import Batch
from takt.core.engines.base import EngineOutput
from takt.core.errors import EngineError


class TritonGraphEngine:
    """Asks the model of Triton that has the graph; Triton batches what several processes ask.

    Args:
        triton: Triton's module `triton_python_backend_utils`.
        model: the name of that model.
        version: of the bundle, and so of that model.
    """

    shareable = True

    def __init__(self, triton: Any, model: str, version: int) -> None:
        self.description = f"triton {model}"
        self._triton = triton
        self._model = model
        self._version = version

    def infer(self, images: Batch) -> EngineOutput:
        """Runs a batch; only while Triton waits for an answer of this process."""
        triton = self._triton
        response = triton.InferenceRequest(
            model_name=self._model,
            model_version=self._version,
            requested_output_names=list(OUTPUTS),
            inputs=[triton.Tensor(INPUT, images)],
            preferred_memory=triton.PreferredMemory(triton.TRITONSERVER_MEMORY_CPU, 0),
        ).exec()
        if response.has_error():
            raise EngineError(
                f"Triton's model {self._model}, version {self._version}, did not run the "
                f"graph: {response.error().message()}"
            )
        # Triton takes the memory of a tensor back with the tensor.
        found = {one.name(): np.array(one.as_numpy()) for one in response.output_tensors()}
        # Triton has no tensor without an axis beside that of the batch.
        return EngineOutput(found["anomaly_map"], found["score"].reshape(len(images)))

    def trim(self) -> None:
        """Does nothing: the memory is Triton's."""

    def close(self) -> None:
        """Does nothing: Triton closes its models."""
