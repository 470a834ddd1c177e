"""A variant of a bundle: the same model for another engine or in another precision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.bundles.strict_model import StrictModel

EngineKind = Literal["onnxruntime", "openvino"]
Provider = Literal["cpu", "cuda", "tensorrt"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]

VARIANT_PATTERN = r"^[a-z0-9][a-z0-9-]{0,40}$"


class VariantDrift(StrictModel):
    """How far a variant's answers lie from the trained model's, on pictures of the calibration.

    Scores and maps have no scale of their own, so the differences are told in spans: the span of
    scores reaches from the median of good pictures to the threshold, that of maps is their standard
    deviation over all cells and pictures.
    """

    pictures: int = Field(ge=1, description="On how many pictures it was measured.")
    score: float = Field(ge=0, description="Largest difference of a score.")
    score_spans: float = Field(
        ge=0, description="Mean difference of the scores, in spans of scores."
    )
    anomaly_map: float = Field(ge=0, description="Largest difference of a map's value.")
    map_spans: float = Field(
        ge=0, description="Root of the mean squared difference of the maps, in spans of maps."
    )
    turned: int = Field(ge=0, description="Pictures whose verdict at the threshold is another.")
    image_auroc: float | None = Field(
        None, ge=0, le=1, description="Of the variant, where defective pictures were given."
    )
    reference_auroc: float | None = Field(
        None, ge=0, le=1, description="Of the reference graph on the same pictures."
    )


class GoldenBounds(StrictModel):
    """The largest differences from the golden answers at which an engine may serve a variant."""

    score: float = Field(gt=0)
    anomaly_map: float = Field(gt=0)


class Variant(StrictModel):
    """One entry of the manifest's table of variants."""

    name: str = Field(
        pattern=VARIANT_PATTERN, description="Such as openvino-int8; the setting `engine` takes it."
    )
    engine: EngineKind
    provider: Provider = Field(default="cpu", description="What of ONNX Runtime it is for.")
    precision: Precision
    rest: Precision = Field(
        default="fp32",
        description="What an 8-bit graph of OpenVINO computes in wherever it is not in 8 bits.",
    )
    model: str = Field(description="The file that the engine opens; may be the reference graph.")
    files: tuple[str, ...] = Field(
        default=(), description="Files of its own, the model's among them; hashed by the manifest."
    )
    max_batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Most pictures at once, where that is less than the graph's.",
    )
    drift: VariantDrift
    bounds: GoldenBounds
    kept: tuple[str, ...] = Field(
        default=(), description="Layers that were kept in higher precision, as drift began there."
    )
    images_per_s: float | None = Field(
        default=None, gt=0, description="One picture at a time on one core or device, as exported."
    )
    built_for: dict[str, str] = Field(
        default_factory=dict,
        description="The device that it runs on only: GPU, driver, TensorRT; empty for any.",
    )
    made_with: dict[str, str] = Field(description="Packages and their versions.")
    created_at: str = Field(description="UTC, ISO 8601.")
