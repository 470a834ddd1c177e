"""What a repository of Triton says of a bundle, to whoever writes or reads one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from service.tensors.protocol import OUTPUTS, Datatype, TensorSpec

TRITON_TYPES: dict[Datatype, str] = {
    "BYTES": "TYPE_STRING",
    "UINT8": "TYPE_UINT8",
    "FP32": "TYPE_FP32",
    "BOOL": "TYPE_BOOL",
}
"""Datatypes of the Open Inference Protocol, as configurations of Triton call them."""

WARNINGS = TensorSpec("warnings", "BYTES", (-1,))
"""What speaks against each answer, a JSON list of codes; Takt's server has it in `parameters`.

Triton asks a model for every output where a request names none. Since no client of Takt's server
names this one, a model that is asked for it, too, knows that none were named.
"""

TRITON_OUTPUTS = (*OUTPUTS, WARNINGS)


@dataclass(frozen=True, slots=True)
class TritonGraph:
    """The model of Triton that runs a bundle's graph, as the Python model's parameters name it.

    >>> graph = TritonGraph("pitting_graph", "onnxruntime", 8)
    >>> graph.parameters["graph"], TritonGraph.read(graph.parameters) == graph
    ('pitting_graph', True)

    Attributes:
        model: its name in Triton.
        engine: what it runs, as the setting `engine` names it; a variant has bounds of its own.
        max_batch_size: most pictures that it takes at once.
    """

    model: str
    engine: str
    max_batch_size: int

    @property
    def parameters(self) -> dict[str, str]:
        """As parameters of a configuration."""
        return {
            "graph": self.model,
            "engine": self.engine,
            "max_batch_size": str(self.max_batch_size),
        }

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Self | None:
        """The graph that parameters name; None where the Python model runs it itself."""
        if "graph" not in parameters:
            return None
        return cls(parameters["graph"], parameters["engine"], int(parameters["max_batch_size"]))


def parameters_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a configuration that Triton hands over as JSON.

    >>> parameters_of({"parameters": {"graph": {"string_value": "pitting_graph"}}})
    {'graph': 'pitting_graph'}
    """
    given = config.get("parameters", {})
    return {name: value["string_value"] for name, value in given.items()}
