"""New nodes of a graph, in the making."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx import NodeProto, TensorProto, helper, numpy_helper

from takt_export.imported.nodes import Array


class NodeList:
    """New nodes and the stored tensors that they use."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []

    def add(self, kind: str, inputs: Sequence[str | Array], output: str, **attributes: Any) -> str:
        """Append a node; arrays among its inputs are stored. Returns the name of its output."""
        names = [
            value if isinstance(value, str) else self.store(f"{output}/{place}", value)
            for place, value in enumerate(inputs)
        ]
        self.nodes.append(helper.make_node(kind, names, [output], f"takt/{output}", **attributes))
        return output

    def store(self, name: str, values: Array) -> str:
        """Append a stored tensor; returns its name."""
        self.stored.append(numpy_helper.from_array(values, name))
        return name
