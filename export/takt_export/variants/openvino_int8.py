"""8 bits for OpenVINO: NNCF's post-training quantisation on real good pictures."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from takt.core.bundles.bundle import INPUT
from takt.core.bundles.variant import Precision
from takt.core.distribution import install_hint
from takt.core.domain import ModelInput
from takt.core.engines.openvino import apart, import_openvino
from takt.core.errors import ConfigurationError
from takt.core.families.every import known
from takt_export.variants.search import named_by_content

STEM = "openvino-int8"
_NO_TELEMETRY = "NNCF_CI"


@dataclass(frozen=True)
class Ir:
    """A graph of OpenVINO's own format: its structure, and its weights beside it."""

    xml: Path
    weights: Path


def rest_of(family: str) -> Precision:
    """Precision of the parts of an 8-bit graph that are not in 8 bits.

    In a transformer these are attention, norms and sums, which take half as long again in float32;
    in a convolutional network they are next to nothing.
    """
    return "bf16" if _is_transformer(family) else "fp32"


def quantize(
    model: Path,
    family: str,
    images: Sequence[ModelInput],
    folder: Path,
    kept: Sequence[str] = (),
) -> Ir:
    """Write a graph whose layers with weights work in 8 bits.

    Products of two computed tensors, as in attention, stay as they are: 8 bits gain next to
    nothing there, since the softmax between them takes most of the time.

    Args:
        model: the reference graph, ONNX.
        family: of the model: transformers are quantised otherwise than convolutional networks.
        images: model inputs, [H,W,3], whose values the ranges must hold.
        folder: for the files; is made.
        kept: names of layers that stay as they are.

    Raises:
        ConfigurationError: OpenVINO or NNCF is not installed.
    """
    openvino, nncf = import_openvino(), _import_nncf()
    graph = openvino.Core().read_model(model)
    height, width, channels = images[0].shape
    graph.reshape({INPUT: [1, height, width, channels]})
    quantize = partial(
        nncf.quantize,
        graph,
        nncf.Dataset(list(images), lambda image: {INPUT: image[np.newaxis]}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
        model_type=nncf.ModelType.TRANSFORMER if _is_transformer(family) else None,
        ignored_scope=nncf.IgnoredScope(names=[*kept, *_products(graph)]),
    )
    quantized = apart(quantize)
    folder.mkdir(parents=True)
    written = Ir(folder / "graph.xml", folder / "graph.bin")
    openvino.save_model(quantized, written.xml, compress_to_fp16=False)
    return Ir(*named_by_content(STEM, written.xml, written.weights))


def _products(graph: Any) -> list[str]:
    """Names of matrix products without weights, which are constants of at most two axes."""
    constant: set[str] = set()
    products = []
    for node in graph.get_ordered_ops():
        sources = [port.get_source_output() for port in node.inputs()]
        known = [one.get_node().get_friendly_name() in constant for one in sources]
        name = node.get_friendly_name()
        if node.get_type_name() == "Constant" or (known and all(known)):
            constant.add(name)
        if node.get_type_name() == "MatMul" and not any(
            fixed and len(one.get_shape()) <= 2 for fixed, one in zip(known, sources, strict=True)
        ):
            products.append(name)
    return products


def _import_nncf() -> ModuleType:
    # NNCF reports each use to its makers' analytics, unless this is set before the import.
    before, logger_class = os.environ.get(_NO_TELEMETRY), logging.getLoggerClass()
    os.environ[_NO_TELEMETRY] = "1"
    try:
        import nncf
    except ImportError:
        raise ConfigurationError(f"NNCF is not installed: {install_hint('nncf')}") from None
    finally:
        logging.setLoggerClass(logger_class)  # NNCF replaces the class of all loggers
        if before is None:
            del os.environ[_NO_TELEMETRY]
        else:
            os.environ[_NO_TELEMETRY] = before
    # NNCF's own function would set the level of everybody's handlers.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    module: ModuleType = nncf
    return module


def _is_transformer(family: str) -> bool:
    """Whether NNCF quantises the family as a transformer."""
    listed = known(family)
    return listed is not None and listed.is_transformer
