"""8 bits for ONNX Runtime: static quantisation as pairs of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper

from takt.core.bundles.bundle import INPUT
from takt.core.domain import Batch, ModelInput
from takt.core.engines.provider_check import first_line, import_runtime
from takt_export.errors import ExportError
from takt_export.variants.onnx_layers import LAYERS, casts_to, replace_nodes, weighted_layers

QUANTIZED = (*LAYERS, "Clip", "Relu")
"""Operators that work in 8 bits, if their weights have more than one channel. Products of two
computed tensors, as in attention, would be slower. A Relu or a ReLU6, which is a Clip, becomes a
part of the layer before it, whose output then has all 256 steps for what it lets through."""


def quantize_onnx(
    model: Path,
    images: Sequence[ModelInput],
    out: Path,
    kept: Sequence[str] = (),
) -> None:
    """Write a graph whose layers work in 8 bits: weights signed and per channel, the rest unsigned.

    Args:
        model: the reference graph.
        images: model inputs, [H,W,3], that show what the ranges must hold.
        out: the file to write, in a folder for it alone.
        kept: nodes of layers that stay as they are.

    Raises:
        ExportError: ONNX Runtime cannot quantise the graph.
    """
    import_runtime("cpu")
    from onnxruntime.quantization import QuantFormat, QuantType, quant_pre_process, quantize_static

    widened, prepared = out.with_name("widened.onnx"), out.with_name("prepared.onnx")
    loaded = onnx.load(model)
    _float32_weights(loaded)
    try:
        onnx.save_model(loaded, widened)
        # Its other parts would give layers other names.
        quant_pre_process(widened, prepared, skip_optimization=True, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        layers = weighted_layers(graph)
        others = [
            one.name for one in graph.node if one.op_type in LAYERS and one.name not in layers
        ]
        quantize_static(
            prepared,
            out,
            OneByOne(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*others, *kept],
        )
    except Exception as error:
        raise ExportError(f"ONNX Runtime cannot quantise {model}: {first_line(error)}") from error
    finally:
        widened.unlink(missing_ok=True)
        prepared.unlink(missing_ok=True)


def _float32_weights(model: ModelProto) -> None:
    """Store weights that are float16 and cast as float32, since the quantiser needs them so.

    Nothing else is folded: a layer that includes its successor would answer something else than
    the reference's layer of its name.
    """
    halved = {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT16
    }
    left = []
    for node in model.graph.node:
        if casts_to(node, TensorProto.FLOAT) and node.input[0] in halved:
            values = numpy_helper.to_array(halved[node.input[0]]).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        else:
            left.append(node)
    replace_nodes(model.graph, left)
    read = {name for node in left for name in node.input}
    for tensor in halved.values():
        if tensor.name not in read:
            model.graph.initializer.remove(tensor)


class OneByOne:
    """Hands model inputs, [H,W,3], to ONNX Runtime's calibration one by one."""

    def __init__(self, images: Sequence[ModelInput]) -> None:
        self._left = iter(images)

    def get_next(self) -> dict[str, Batch] | None:
        """A batch of one; None after the last."""
        image = next(self._left, None)
        return None if image is None else {INPUT: image[np.newaxis]}
