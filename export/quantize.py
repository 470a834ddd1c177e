"""8 bits for OpenVINO: NNCF's quantisation after training, on real good pictures."""

from __future__ import annotations

import hashlib
import logging
import os
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
_NO_TELEMETRY = "NNCF_CI"


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
    written = Ir(folder / "graph.xml", folder / "graph.bin")
    openvino.save_model(quantized, written.xml, compress_to_fp16=False)
    return _named_by_content(written)


def _named_by_content(ir: Ir) -> Ir:
    """Under names that no other graph has; one stem, by which OpenVINO finds the weights."""
    digest = hashlib.sha256(ir.xml.read_bytes() + ir.weights.read_bytes()).hexdigest()[:8]
    stem = ir.xml.parent / f"{STEM}-{digest}"
    return Ir(ir.xml.rename(f"{stem}.xml"), ir.weights.rename(f"{stem}.bin"))


def _import_nncf() -> ModuleType:
    # Without it, NNCF would tell its makers' analytics of each use; it is read at the import.
    before, logger_class = os.environ.get(_NO_TELEMETRY), logging.getLoggerClass()
    os.environ[_NO_TELEMETRY] = "1"
    try:
        import nncf
    except ImportError:
        raise ConfigurationError(f"NNCF is not installed: {INSTALL}") from None
    finally:
        logging.setLoggerClass(logger_class)  # it would have all loggers be of its own
        if before is None:
            del os.environ[_NO_TELEMETRY]
        else:
            os.environ[_NO_TELEMETRY] = before
    # Not by its own function, which sets the level of everybody's handlers.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    module: ModuleType = nncf
    return module
