"""The manifest: what a bundle says of itself beyond its graph."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from service.bundles.strict_model import StrictModel
from service.bundles.variant import Variant

CALIBRATION = "calibration.npz"
ROI_MASK: Literal["roi.png"] = "roi.png"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Filter = Literal["area", "linear", "pillow_bilinear", "tensor_bilinear"]
ScoreFrom = Literal["model", "map_on_picture"]
Reference = Literal["torch", "onnx"]
Blend = Literal["max", "mean", "linear"]


class Crop(StrictModel):
    """A rectangle of the resized picture, in its pixels."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class ResizeDrift(StrictModel):
    """What another resize filter than the training's costs: largest differences on pictures."""

    trained_with: Filter = Field(description="The filter of the training.")
    pictures: int = Field(ge=1, description="On how many pictures it was measured.")
    grey_levels: float = Field(ge=0, description="Of the model's input, in steps of 1/255.")
    score: float = Field(ge=0)
    anomaly_map: float = Field(ge=0)


class Preprocess(StrictModel):
    """How a picture becomes the model's input: resized, then cropped."""

    width: int = Field(gt=0, description="Columns after resizing; the ratio is not kept.")
    height: int = Field(gt=0, description="Rows after resizing.")
    resize: Filter = Field(
        description="area: on 8 bits, each axis averages areas if it shrinks, else is bilinear. "
        "linear: bilinear without antialiasing, the fastest and the least faithful. "
        "pillow_bilinear: Pillow's, antialiased, rounded to 8 bits after each axis. "
        "tensor_bilinear: torchvision's on float tensors, antialiased, rounded once at the end."
    )
    crop: Crop | None = Field(
        default=None, description="The part that the model sees; all if null."
    )
    reduced_decode: bool = Field(
        default=False,
        description="Whether a JPEG that is much larger than the input may be decoded at a half, a "
        "quarter or an eighth of its size, as long as it stays no smaller than the input; only "
        "before `area`, which goes on averaging where that left off.",
    )
    drift: ResizeDrift | None = Field(
        default=None,
        description="Where `resize` is not the training's filter, or JPEGs are decoded reduced: "
        "what that changes.",
    )

    @model_validator(mode="after")
    def _reduced_before_area(self) -> Self:
        if self.reduced_decode and self.resize != "area":
            raise ValueError("pictures can be decoded reduced only where they are resized by area")
        return self

    @model_validator(mode="after")
    def _crop_within(self) -> Self:
        crop = self.crop
        if crop and (crop.x + crop.width > self.width or crop.y + crop.height > self.height):
            raise ValueError("the crop reaches beyond the resized picture")
        return self

    @property
    def least_side(self) -> int:
        """Pixels that each side of a picture keeps at least where it is decoded reduced."""
        return max(self.width, self.height)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the model's input."""
        if self.crop is None:
            return self.height, self.width
        return self.crop.height, self.crop.width


_Share = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[_Share, _Share], ...], Field(min_length=3)]
"""Corners (x, y), as fractions of the picture's width and height."""


class Roi(StrictModel):
    """The region of interest: the part of the picture that counts; see `service.pictures.roi`.

    The graph itself leaves the rest out: of its map, and of its score.
    """

    polygons: tuple[Polygon, ...] = Field(
        default=(), description="What counts is within any of them; the whole picture if none."
    )
    exclude: tuple[Polygon, ...] = Field(
        default=(), description="What does not count, though the polygons or the mask hold it."
    )
    mask: Literal["roi.png"] | None = Field(
        default=None,
        description="A grey picture in the bundle, instead of polygons: stretched over the "
        "picture, what is not black counts.",
    )
    share: float = Field(gt=0, le=1, description="Of the picture that counts.")
    outside: float = Field(
        description="What the map holds where nothing counts; no value that counts is taken for "
        "normal because of it."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.mask is not None and self.polygons:
            raise ValueError("it is a mask picture or polygons, not both")
        return self


class Tiling(StrictModel):
    """Tiles in which the model sees a picture, each resized to its input.

    An axis of a picture that is no longer than a tile's is in one tile, whole.
    """

    width: int = Field(gt=0, description="Of a tile, in pixels of the picture.")
    height: int = Field(gt=0, description="Likewise.")
    overlap: int = Field(ge=0, description="Pixels that neighbouring tiles share, at least.")
    blend: Blend = Field(
        description="What the map holds where tiles overlap. max: their highest value. mean: "
        "their mean. linear: their mean, weighted by how far inside its tile each lies."
    )

    @model_validator(mode="after")
    def _overlap_within_half(self) -> Self:
        if 2 * self.overlap > min(self.width, self.height):
            raise ValueError("tiles may overlap by half of their shorter side at most")
        return self


class MapSpec(StrictModel):
    """The anomaly map that the graph answers with, to a picture or to a tile of it."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    low: float = Field(
        description="Median of the map on good pictures: where the colour scale starts."
    )


class CheckpointThresholds(StrictModel):
    """The thresholds that a training left in its checkpoint, on this bundle's scale of scores."""

    image: float
    pixel: float


class Thresholds(StrictModel):
    """From which values on a picture or a pixel counts as anomalous, and why."""

    image: float = Field(description="A picture is anomalous if its score is greater.")
    pixel: float = Field(description="A pixel is anomalous if its map value is greater.")
    method: str = Field(description="How they were found.")
    alpha: float | None = Field(None, description="False-reject rate that was asked for.")
    good_count: int = Field(ge=0, description="Good pictures they rest on.")
    defect_count: int = Field(default=0, ge=0, description="Defective pictures they rest on.")
    found_at: str | None = Field(
        default=None, description="UTC, ISO 8601, of a later calibration; null if from the export."
    )
    notes: tuple[str, ...] = Field(default=(), description="What else they rest on, in words.")


class Drift(StrictModel):
    """The largest absolute differences of a graph from the trained model."""

    pictures: int = Field(ge=0, description="On how many pictures it was measured.")
    score: float = Field(ge=0)
    anomaly_map: float = Field(ge=0)


class Manifest(StrictModel):
    """`manifest.json`: everything about the bundle that is not in its graph."""

    format_version: Literal[1] = 1
    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=NAME_PATTERN)
    family: str = Field(description="efficientad, inpformer, …")
    variant: str = Field(description="Of the family: small, medium, …")
    framework: str = Field(description="Whose training made the checkpoint: takt, anomalib, …")
    preprocess: Preprocess
    map: MapSpec
    score_from: ScoreFrom = Field(
        default="model",
        description="model: the graph's score. map_on_picture: the maximum of the map after that "
        "was resized to the picture's own size, as its training did.",
    )
    max_batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Most pictures that the graph takes at once; any number if null.",
    )
    thresholds: Thresholds
    calibration: str = Field(
        default=CALIBRATION,
        pattern=r"^calibration[a-z0-9-]*\.npz$",
        description="The file with the scores that the thresholds rest on.",
    )
    trained_thresholds: CheckpointThresholds | None = Field(
        default=None, description="Those of the checkpoint, if it had any; kept for comparison."
    )
    reference: Reference = Field(
        default="torch", description="What the golden answers and the drift are measured against."
    )
    notes: tuple[str, ...] = Field(
        default=(),
        description="What else its answers rest on, in words: what was assumed of the training, "
        "measured anew or done otherwise.",
    )
    roi: Roi | None = Field(
        default=None, description="The part of the picture that counts; all of it if null."
    )
    tiling: Tiling | None = Field(
        default=None, description="The model sees the picture in tiles; as a whole if null."
    )
    drift: Drift
    tolerance: float = Field(
        1e-3, gt=0, description="Largest drift on the golden inputs at which an engine may serve."
    )
    variants: tuple[Variant, ...] = Field(
        default=(), description="The same model for other engines and in other precisions."
    )
    made_with: dict[str, str] = Field(description="Packages and their versions.")
    created_at: str = Field(description="UTC, ISO 8601.")
    files: dict[str, str] = Field(description="SHA-256 of each other file of the bundle.")

    @property
    def map_size(self) -> tuple[int, int]:
        """(h, w) of the map that the graph gives: of a picture, or of a tile."""
        return self.map.height, self.map.width

    @model_validator(mode="after")
    def _score_of_whole_picture(self) -> Self:
        if self.score_from == "map_on_picture" and self.preprocess.crop is not None:
            raise ValueError("a map of a crop cannot be scored on the whole picture")
        return self

    @model_validator(mode="after")
    def _variants_are_listed(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(names) != len(set(names)):
            raise ValueError("two variants have one name")
        for variant in self.variants:
            for name in (variant.model, *variant.files):
                if name not in self.files:
                    raise ValueError(f"variant {variant.name} needs {name}, which is not listed")
        return self

    @model_validator(mode="after")
    def _mask_is_listed(self) -> Self:
        if self.roi and self.roi.mask and self.roi.mask not in self.files:
            raise ValueError(f"the region of interest needs {self.roi.mask}, which is not listed")
        return self

    @model_validator(mode="after")
    def _tiles_are_whole(self) -> Self:
        if self.tiling is None:
            return self
        if self.preprocess.crop is not None:
            raise ValueError("a model that crops would leave gaps between tiles")
        if self.preprocess.reduced_decode:
            raise ValueError("tiles are cut from pictures of full size, which are decoded whole")
        if self.roi is not None:
            raise ValueError("a region of interest lies on the picture, and the graph sees tiles")
        return self
