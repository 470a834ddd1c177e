"""A variant of a bundle: the same model for another engine or in another precision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from takt.core.bundles.strict_model import StrictModel

EngineKind = Literal["onnxruntime", "openvino"]
Provider = Literal["cpu", "cuda", "tensorrt"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]

GRAPH_PATTERN = r"\.(onnx|engine|xml)$"
"""Names of graphs: for other names, engines have formats that lead to files of their own."""

VARIANT_PATTERN = r"^[a-z0-9][a-z0-9-]{0,40}$"


class VariantDrift(StrictModel):
    """How far a variant's answers lie from the trained model's on pictures of the calibration.

    Scores and maps have no scale of their own, so differences are stated in spans. A span of
    scores reaches from the median score of good pictures to the threshold; a span of maps is the
    standard deviation of the maps over all cells and pictures.
    """

    pictures: int = Field(ge=1)
    """Number of pictures that it was measured on."""

    score: float = Field(ge=0)
    """Largest difference of a score."""

    score_spans: float = Field(ge=0)
    """Mean difference of the scores, in spans of scores."""

    anomaly_map: float = Field(ge=0)
    """Largest difference of a map value."""

    map_spans: float = Field(ge=0)
    """Root mean square difference of the maps, in spans of maps."""

    turned: int = Field(ge=0)
    """Pictures whose verdict at the threshold is another."""

    image_auroc: float | None = Field(default=None, ge=0, le=1)
    """Image AUROC of the variant, if defective pictures were given."""

    reference_auroc: float | None = Field(default=None, ge=0, le=1)
    """Image AUROC of the reference graph on the same pictures."""


class GoldenBounds(StrictModel):
    """The largest differences from the golden answers at which an engine may serve a variant."""

    score: float = Field(gt=0)
    anomaly_map: float = Field(gt=0)


class Variant(StrictModel):
    """One entry of the manifest's table of variants."""

    name: str = Field(pattern=VARIANT_PATTERN)
    """Value of the setting `engine` that selects it, such as openvino-int8."""

    engine: EngineKind

    provider: Provider = "cpu"
    """Provider of ONNX Runtime that it is made for."""

    precision: Precision

    rest: Precision = "fp32"
    """Precision of what an 8-bit graph of OpenVINO does not compute in 8 bits."""

    model: str = Field(pattern=GRAPH_PATTERN)
    """File that the engine opens; may be the reference graph."""

    files: tuple[str, ...] = ()
    """Files of its own, including the model; the manifest has their hashes."""

    max_batch_size: int | None = Field(default=None, ge=1)
    """Most pictures in one batch, if fewer than the graph takes."""

    drift: VariantDrift
    bounds: GoldenBounds

    kept: tuple[str, ...] = ()
    """Layers that were kept in higher precision, because drift began there."""

    images_per_s: float | None = Field(default=None, gt=0)
    """Rate at the export, one picture after another on one core or device."""

    built_for: dict[str, str] = Field(default_factory=dict)
    """The only GPU, driver and TensorRT that it runs on; empty for any."""

    made_with: dict[str, str]
    """Packages and their versions."""

    created_at: str
    """UTC, ISO 8601."""
