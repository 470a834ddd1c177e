"""Reads an ONNX file of another tool, or refuses it with the reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import (
    ExternalDataInfo,
    load_external_data_for_model,
    uses_external_data,
)

from takt.core.engines.provider_check import first_line
from takt_export.errors import ExportError
from takt_export.imported.nodes import STANDARD, all_graphs, all_tensors

LARGEST = 2**31 - 2**20
"""Largest size in bytes of a graph with its weights: protobuf's limit, less room for additions."""

OLDEST_OPSET = 7
"""Oldest opset that ONNX Runtime supports; operands of older ones do not broadcast."""

DOMAINS = STANDARD | {"ai.onnx.ml", "com.microsoft"}
"""Domains of the operators that every ONNX Runtime has."""


def read_graph(path: Path) -> ModelProto:
    """Read an ONNX file with all its weights, including those in files beside it.

    Raises:
        ExportError: the file is no ONNX, damaged, too large or too old, lacks its weights, or needs
            operators of its maker.
    """
    model = _parse(path)
    _load_weights(model, path)
    _check_opset(model, path)
    _check_operators(model, path)
    return model


def opset_of(model: ModelProto) -> int:
    """Version of ONNX's own operators; 0 if the graph uses none."""
    return max(
        (entry.version for entry in model.opset_import if entry.domain in STANDARD), default=0
    )


def _parse(path: Path) -> ModelProto:
    if path.stat().st_size > LARGEST:
        raise _too_large(path)
    model = ModelProto()
    with suppress(Exception):  # protobuf's errors have no types
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    if not model.graph.node:
        raise ExportError(f"{path} is no ONNX file, or is damaged; export or copy it again")
    return model


def _load_weights(model: ModelProto, path: Path) -> None:
    outside = [tensor for tensor in all_tensors(model.graph) if uses_external_data(tensor)]
    if not outside:
        return
    names = sorted({ExternalDataInfo(tensor).location for tensor in outside})
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise ExportError(
            f"{path} keeps its weights in {', '.join(missing)}, and that is not beside it; put it "
            "there"
        )
    files = [path, *(path.parent / name for name in names)]
    if sum(file.stat().st_size for file in files) > LARGEST:
        raise _too_large(path)
    try:
        load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ExportError(
            f"the weights of {path} in {', '.join(names)} cannot be read ({first_line(error)}); "
            "copy all its files again"
        ) from error


def _check_opset(model: ModelProto, path: Path) -> None:
    opset = opset_of(model)
    if opset < OLDEST_OPSET:
        raise ExportError(
            f"{path} has opset {opset}, and {OLDEST_OPSET} is the oldest that can be served; "
            "export it again with a newer one, or convert it with onnx.version_converter"
        )


def _check_operators(model: ModelProto, path: Path) -> None:
    foreign = sorted(set(_foreign_operators(model)))
    if foreign:
        raise ExportError(
            f"{path} needs {', '.join(foreign)}, which are no operators of ONNX and which the "
            "service does not have; export it again with standard operators alone"
        )


def _foreign_operators(model: ModelProto) -> Iterator[str]:
    local = {(function.domain, function.name) for function in model.functions}
    bodies = [part.node for part in all_graphs(model.graph)]
    for body in (*bodies, *(function.node for function in model.functions)):
        for node in body:
            if node.domain not in DOMAINS and (node.domain, node.op_type) not in local:
                yield f"{node.domain}.{node.op_type}"


def _too_large(path: Path) -> ExportError:
    return ExportError(
        f"{path} and its weights exceed 2 GB, which one ONNX file cannot hold; export the model "
        "in float16, or with a smaller backbone or memory bank"
    )


def stored_floats(model: ModelProto) -> tuple[int, int]:
    """Number of elements of all stored float tensors, and of those in float16."""
    sizes = Counter[int]()
    for tensor in all_tensors(model.graph):
        sizes[tensor.data_type] += math.prod(tensor.dims)
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    return sum(sizes[kind] for kind in floats), sizes[TensorProto.FLOAT16]
