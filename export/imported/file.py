"""Reading an ONNX file that somebody else made, or saying why it cannot become a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import (
    ExternalDataInfo,
    load_external_data_for_model,
    uses_external_data,
)

from export.errors import ExportError
from export.imported.nodes import STANDARD, all_graphs, all_tensors

LARGEST = 2**31 - 2**20
"""Bytes of a graph with its weights: what protobuf can hold, less room for what is added."""

OLDEST_OPSET = 7
"""ONNX Runtime promises nothing for older ones, and operands do not broadcast there."""

DOMAINS = STANDARD | {"ai.onnx.ml", "com.microsoft"}
"""Operators that every ONNX Runtime has."""


def read_graph(path: Path) -> ModelProto:
    """Read an ONNX file with all its weights, those in files beside it too.

    Raises:
        ExportError: it is no ONNX file, is damaged, too large or too old, lacks its weights, or
            needs operators that only its maker has.
    """
    model = _parse(path)
    _load_weights(model, path)
    _check_opset(model, path)
    _check_operators(model, path)
    return model


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators; 0 if a graph uses none."""
    return max(
        (entry.version for entry in model.opset_import if entry.domain in STANDARD), default=0
    )


def first_line(error: Exception) -> str:
    """What an error says, without what follows."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _parse(path: Path) -> ModelProto:
    if path.stat().st_size > LARGEST:
        raise _too_large(path)
    try:
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except Exception:  # of protobuf, which has no types
        raise _no_onnx(path) from None
    if not model.graph.node:
        raise _no_onnx(path)
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


def _no_onnx(path: Path) -> ExportError:
    return ExportError(f"{path} is no ONNX file, or is damaged; export or copy it again")


def _too_large(path: Path) -> ExportError:
    return ExportError(
        f"{path} and its weights exceed 2 GB, which one ONNX file cannot hold; export the model "
        "in float16, or with a smaller backbone or memory bank"
    )


def stored_floats(model: ModelProto) -> tuple[int, int]:
    """Elements of all stored float tensors, and of those in float16."""
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    sizes = [
        (tensor.data_type, _elements(tensor))
        for tensor in all_tensors(model.graph)
        if tensor.data_type in floats
    ]
    return (
        sum(size for _, size in sizes),
        sum(size for kind, size in sizes if kind == TensorProto.FLOAT16),
    )


def _elements(tensor: TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count
