"""8 bits for OpenVINO: NNCF's quantisation after training, on real good pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from service.bundle import INPUT
from service.engines.openvino import import_openvino
from service.errors import ConfigurationError

STEM = "openvino-int8"
INSTALL = "pip install 'takt[export]'"


@dataclass(frozen=True)
class Ir:
    """A graph of OpenVINO's own format: its structure, and its weights beside it."""

    xml: Path
    weights: Path


def quantize(
    model: Path,
    family: str,
    images: Sequence[NDArray[np.uint8]],
    folder: Path,
    kept: Sequence[str] = (),
) -> Ir:
    """Write a graph whose layers with weights work in 8 bits.

    Args:
        model: the reference graph, ONNX.
        family: of the model: transformers are quantised otherwise than convolutional networks.
        images: model inputs, uint8 [H,W,3], that show what the ranges must hold.
        folder: for the files; is made.
        kept: names of layers that stay as they are.

    Raises:
        ConfigurationError: OpenVINO or NNCF is not installed.
    """
    openvino, nncf = import_openvino(), _import_nncf()
    graph = openvino.Core().read_model(model)
    height, width, channels = images[0].shape
    graph.reshape({INPUT: [1, height, width, channels]})
    transformer = family == "inpformer"
    quantized = nncf.quantize(
        graph,
        nncf.Dataset(list(images), lambda image: {INPUT: image[np.newaxis]}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
        model_type=nncf.ModelType.TRANSFORMER if transformer else None,
        ignored_scope=nncf.IgnoredScope(names=list(kept)) if kept else None,
    )
    folder.mkdir(parents=True)
    ir = Ir(folder / f"{STEM}.xml", folder / f"{STEM}.bin")
    openvino.save_model(quantized, ir.xml, compress_to_fp16=False)
    return ir


def _import_nncf() -> ModuleType:
    try:
        import nncf
    except ImportError:
        raise ConfigurationError(f"NNCF is not installed: {INSTALL}") from None
    nncf.set_log_level(logging.ERROR)
    module: ModuleType = nncf
    return module
