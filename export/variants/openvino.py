"""Variants of a bundle for OpenVINO: float32 and bfloat16 of its graph, and one of 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.variants.openvino_int8 import quantize, rest_of
from export.variants.search import Candidate, Images, Tell, VariantOptions, export_variant
from service.bundles.bundle import Bundle
from service.bundles.variant import EngineKind, Precision, Provider
from service.engines.layers import LayerError, layer_errors
from service.engines.openvino import OpenVinoEngine, precision_hint


def export_openvino(
    bundle: Bundle,
    good: Sequence[Path],
    defects: Sequence[Path],
    options: VariantOptions,
    *,
    tell: Tell,
    quiet: bool = False,
) -> Bundle:
    """Add a variant for OpenVINO to a bundle, if it answers like the trained model.

    Args:
        bundle: as it was loaded.
        good: pictures of good parts; see `export_variant`.
        defects: pictures of defective parts, for the comparison.
        options: with a precision of fp32, bf16 or int8.
        tell: takes lines about what is going on.
        quiet: show no progress bar.

    Raises:
        ConfigurationError: OpenVINO or NNCF is not installed.
        CalibrationError, DriftError, PicturesError: see `export_variant`.
    """
    maker = _OpenVinoMaker(bundle, options.precision)
    return export_variant(bundle, good, defects, options, maker, tell=tell, quiet=quiet)


@dataclass(frozen=True)
class _OpenVinoMaker:
    """Of 8 bits by NNCF; the other precisions compute the bundle's own graph."""

    bundle: Bundle
    precision: Precision
    engine: EngineKind = "openvino"
    provider: Provider = "cpu"
    timed: bool = True

    @property
    def calibrates(self) -> bool:
        return self.precision == "int8"

    @property
    def keeps(self) -> bool:
        return self.precision == "int8"

    def make(self, images: Images, folder: Path, kept: Sequence[str]) -> Candidate:
        if self.precision != "int8":
            return Candidate(self.bundle.model_path)
        family = self.bundle.manifest.family
        ir = quantize(self.bundle.model_path, family, images, folder, kept)
        return Candidate(ir.xml, (ir.xml, ir.weights), rest_of(family))

    def open(self, candidate: Candidate) -> OpenVinoEngine:
        return OpenVinoEngine.open(candidate.model, precision=self.precision, rest=candidate.rest)

    def layer_errors(self, candidate: Candidate, images: NDArray[np.uint8]) -> Sequence[LayerError]:
        hint = precision_hint(self.precision, candidate.rest)
        return layer_errors(self.bundle.model_path, candidate.model, images, hint)
