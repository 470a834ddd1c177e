"""What a repository of Triton says of a bundle, to whoever writes or reads one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from takt.core.tensors.protocol import OUTPUTS, Datatype, TensorSpec

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
class TritonForm:
    """How a bundle runs in Triton, as the parameters of its Python model say.

    >>> form = TritonForm("onnxruntime", "pitting_graph", max_batch_size=8)
    >>> form.parameters["graph"], TritonForm.read(form.parameters) == form
    ('pitting_graph', True)

    Attributes:
        engine: what runs, as the setting `engine` names it: a variant has bounds of its own.
        graph: the model of Triton that runs it; None where the Python model does so itself.
        max_batch_size: most pictures that this model takes at once; 0 if there is none.
    """

    engine: str
    graph: str | None = None
    max_batch_size: int = 0

    @property
    def parameters(self) -> dict[str, str]:
        """As parameters of a configuration."""
        named = {"engine": self.engine}
        if self.graph is not None:
            named |= {"graph": self.graph, "max_batch_size": str(self.max_batch_size)}
        return named

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Self:
        """The form that parameters tell of."""
        most = int(parameters.get("max_batch_size", 0))
        return cls(parameters["engine"], parameters.get("graph"), most)


def parameters_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a configuration that Triton hands over as JSON.

    >>> parameters_of({"parameters": {"graph": {"string_value": "pitting_graph"}}})
    {'graph': 'pitting_graph'}
    """
    given = config.get("parameters", {})
    return {name: value["string_value"] for name, value in given.items()}
