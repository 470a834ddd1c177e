"""As much of Triton's module `triton_python_backend_utils` as a Python model uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from takt.core.domain import Batch
from takt.core.engines.base import EngineOutput
from takt.core.tensors.triton import TRITON_OUTPUTS, TritonForm

EVERY_OUTPUT = frozenset(spec.name for spec in TRITON_OUTPUTS)
"""What Triton asks for where a client names no outputs."""


class TritonModelError(Exception):
    """`TritonModelException`."""


@dataclass(frozen=True)
class Tensor:
    """`Tensor`."""

    called: str
    values: np.ndarray[Any, Any]

    def name(self) -> str:
        return self.called

    def as_numpy(self) -> np.ndarray[Any, Any]:
        return self.values


@dataclass(frozen=True)
class TritonError:
    """`TritonError`, with its codes as words."""

    said: str
    code: str = "INTERNAL"

    NOT_FOUND = "NOT_FOUND"
    UNAVAILABLE = "UNAVAILABLE"
    INVALID_ARG = "INVALID_ARG"
    INTERNAL = "INTERNAL"

    def message(self) -> str:
        return self.said


@dataclass(frozen=True)
class Response:
    """`InferenceResponse`."""

    tensors: Sequence[Tensor] = ()
    failure: TritonError | None = None

    def has_error(self) -> bool:
        return self.failure is not None

    def error(self) -> TritonError:
        assert self.failure is not None
        return self.failure

    def output_tensors(self) -> Sequence[Tensor]:
        return self.tensors

    def __getitem__(self, name: str) -> Any:
        """The values of an output."""
        assert self.failure is None, self.failure
        (found,) = (one.values for one in self.tensors if one.called == name)
        return found

    @property
    def names(self) -> list[str]:
        return [one.called for one in self.tensors]


@dataclass(frozen=True)
class Given:
    """A client's request, as Triton hands it over."""

    tensors: Sequence[Tensor]
    outputs: frozenset[str] = EVERY_OUTPUT
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout_us: int = 0

    def inputs(self) -> Sequence[Tensor]:
        return self.tensors

    def requested_output_names(self) -> set[str]:
        return set(self.outputs)

    def parameters(self) -> str:
        return json.dumps(self.options)

    def timeout(self) -> int:
        return self.timeout_us


@dataclass
class Graphs:
    """The models of Triton that a Python model asks.

    Attributes:
        run: answers a batch; Triton is not ready to pass anything on if None.
        asked: name and version of the model of each request, and how many pictures it had.
    """

    run: Callable[[Batch], EngineOutput] | None = None
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def answer(self, model: str, version: int, names: Sequence[str], images: Batch) -> Response:
        self.asked.append((model, version, len(images)))
        if self.run is None:
            return Response(failure=TritonError("Server not ready"))
        found = self.run(images)
        values = {"anomaly_map": found.anomaly_map, "score": found.score[:, np.newaxis]}
        return Response([Tensor(name, values[name]) for name in names])


def backend(graphs: Graphs) -> ModuleType:
    """The module, whose requests of models go to `graphs`."""
    module = ModuleType("triton_python_backend_utils")

    class InferenceRequest:
        def __init__(
            self,
            *,
            model_name: str,
            model_version: int,
            requested_output_names: list[str],
            inputs: list[Tensor],
            preferred_memory: object,
        ) -> None:
            (images,) = inputs
            assert images.called == "images"
            self._asked = (model_name, model_version, requested_output_names, images.values)

        def exec(self) -> Response:
            return graphs.answer(*self._asked)

    def inference_response(
        output_tensors: Sequence[Tensor] = (), error: TritonError | None = None
    ) -> Response:
        return Response(output_tensors, error)

    module.__dict__.update(
        TritonModelException=TritonModelError,
        Tensor=Tensor,
        TritonError=TritonError,
        InferenceRequest=InferenceRequest,
        InferenceResponse=inference_response,
        PreferredMemory=lambda kind, device: (kind, device),
        TRITONSERVER_MEMORY_CPU=0,
    )
    return module


def arguments(folder: Any, form: TritonForm, version: str = "1") -> dict[str, str]:
    """What Triton hands over when it loads a Python model."""
    given = {name: {"string_value": value} for name, value in form.parameters.items()}
    config = {"parameters": given, "instance_group": [{"count": 2}]}
    return {
        "model_config": json.dumps(config),
        "model_repository": str(folder),
        "model_version": version,
    }
