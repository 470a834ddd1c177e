"""Variants of a bundle for OpenVINO: float32 and bfloat16 of its graph, and one of 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Batch
from takt.core.engines.layers import LayerError, layer_errors
from takt.core.engines.openvino import OpenVinoEngine, precision_hint
from takt_export.variants.openvino_int8 import quantize, rest_of
from takt_export.variants.search import ConvertedGraph, Images, Maker, Tell, VariantOptions


class OpenVinoMaker(Maker):
    """Quantises to int8 by NNCF; fp32 and bf16 compute the bundle's own graph.

    Raises:
        ConfigurationError: OpenVINO or NNCF is not installed; from `make` and `open`.
    """

    name = "openvino"
    engine = "openvino"

    def __init__(self, bundle: Bundle, options: VariantOptions, tell: Tell) -> None:
        super().__init__(bundle, options, tell)
        self.mixes = self.calibrates

    def make(self, images: Images, folder: Path, kept: Sequence[str]) -> ConvertedGraph:
        """Write an 8-bit graph, or take the bundle's own."""
        if not self.calibrates:
            return ConvertedGraph(self.bundle.model_path)
        family = self.bundle.manifest.family
        ir = quantize(self.bundle.model_path, family, images, folder, kept)
        return ConvertedGraph(ir.xml, (ir.xml, ir.weights), rest_of(family))

    def open(self, converted: ConvertedGraph) -> OpenVinoEngine:
        """The graph on one core."""
        return OpenVinoEngine.open(converted.model, precision=self.precision, rest=converted.rest)

    def layer_errors(self, converted: ConvertedGraph, images: Batch) -> Sequence[LayerError]:
        """Compare the layers in the precision that serves."""
        hint = precision_hint(self.precision, converted.rest)
        return layer_errors(self.bundle.model_path, converted.model, images, hint)
