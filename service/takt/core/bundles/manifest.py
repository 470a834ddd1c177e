"""The manifest of a bundle: how the graph is used, its thresholds, and where it comes from."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from takt.core.bundles.findings import FitRecord, PictureSizes, SelfTest
from takt.core.bundles.region import Roi
from takt.core.bundles.signing.provenance import Provenance
from takt.core.bundles.strict_model import SealedModel, StrictModel
from takt.core.bundles.taught import TaughtRecord
from takt.core.bundles.tiling import Tiling
from takt.core.bundles.variant import Variant
from takt.core.domain import Depth, Orientation
from takt.core.naming import NAME_PATTERN

CALIBRATION = "calibration.npz"
READABLE_VERSION = r"^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$"
"""More than `takt.core.naming` lets be made and served: older bundles can still be looked at."""

_RESIZED_PIXELS = 1 << 26
"""Most pixels of a resized picture, of which each picture in flight takes three values."""

Filter = Literal["area", "linear", "pillow_bilinear", "tensor_bilinear", "tensor_bicubic"]
OF_FLOATS = frozenset[Filter]({"tensor_bilinear", "tensor_bicubic"})
"""Filters that leave levels between whole ones."""

InputType = Literal["uint8", "float32"]
ScoreFrom = Literal["model", "map_on_picture"]
Reference = Literal["torch", "onnx"]
Promise = Literal["proven", "measured"]
SPLIT_CONFORMAL = "split conformal"
"""Method of thresholds from scores of the model itself on pictures that it has not seen."""


class Crop(StrictModel):
    """A rectangle of the resized picture, in its pixels."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class ResizeDrift(StrictModel):
    """Largest differences that another resize filter than the training's causes on pictures."""

    trained_with: Filter
    """Filter of the training."""

    pictures: int = Field(ge=1)
    """Number of pictures that it was measured on."""

    grey_levels: float = Field(ge=0)
    """Difference of the model's input, in steps of 1/255."""

    score: float = Field(ge=0)
    anomaly_map: float = Field(ge=0)


class Preprocess(StrictModel):
    """How a picture becomes the model's input: resized, then cropped."""

    width: int = Field(gt=0)
    """Columns after resizing; the aspect ratio is not kept."""

    height: int = Field(gt=0)
    """Rows after resizing."""

    resize: Filter
    """The resize filter.

    area: on 8 bits; each axis averages areas if it shrinks, else is bilinear. linear: bilinear
    without antialiasing, the fastest and the least faithful. pillow_bilinear: Pillow's,
    antialiased, rounded to 8 bits after each axis. tensor_bilinear, tensor_bicubic:
    torchvision's on float tensors, antialiased.
    """

    input: InputType = "uint8"
    """Elements of the graph's input, RGB levels from 0 to 255.

    uint8: whole levels; those of the tensor filters are rounded once. float32: levels as these
    leave them; every other filter leaves whole ones.
    """

    orientation: Orientation = "apply"
    """How the model sees a picture that its file says to turn (EXIF).

    apply: as a person does. ignore: as it is stored, as Pillow and torchvision open it (but for
    TIFF, which they turn too). Map, regions and heatmap lie on the picture as a person sees it.
    """

    depth: Depth = "full"
    """The levels of a file of 16 bits that become 0 to 255.

    full: 0 to 65535. 12, 14: the lower bits, of which the highest level is white, as is all above.
    max: 0 to the picture's highest level. pillow: as Pillow's `convert("RGB")`, which clips grey at
    255 and takes the high byte of colours.
    """

    crop: Crop | None = None
    """Part that the model sees; all of the picture if None."""

    reduced_decode: bool = False
    """Whether a JPEG may be decoded at a half, a quarter or an eighth of its size.

    The decoded picture stays no smaller than the input. Only before `area`, which goes on
    averaging where the decoder left off.
    """

    drift: ResizeDrift | None = None
    """Effect of a `resize` that is not the training's filter, or of reduced decoding."""

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        crop = self.crop
        if self.input == "float32" and self.resize not in OF_FLOATS:
            raise ValueError(f"{self.resize} gives whole levels, and the input is float32")
        if self.reduced_decode and self.resize != "area":
            raise ValueError("pictures can be decoded reduced only where they are resized by area")
        if self.width * self.height > _RESIZED_PIXELS:
            raise ValueError(f"the resized picture has more than {_RESIZED_PIXELS} pixels")
        if crop and (crop.x + crop.width > self.width or crop.y + crop.height > self.height):
            raise ValueError("the crop reaches beyond the resized picture")
        return self

    @property
    def least_side(self) -> int:
        """Pixels that each side of a picture keeps at least when it is decoded reduced."""
        return max(self.width, self.height)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the model's input."""
        if self.crop is None:
            return self.height, self.width
        return self.crop.height, self.crop.width


class MapSpec(StrictModel):
    """The anomaly map that the graph gives for a picture, or for a tile of it."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)

    low: float
    """Median map value on good pictures: where the colour scale starts."""


class CheckpointThresholds(StrictModel):
    """The thresholds in the training's checkpoint, on this bundle's scale of scores."""

    image: float
    pixel: float


class Thresholds(StrictModel):
    """The bundle's own thresholds, and how they were found."""

    image: float
    """A picture is anomalous if its score is greater."""

    pixel: float
    """A pixel is anomalous if its map value is greater, and its picture with it."""

    method: str
    """How they were found, in words."""

    alpha: float | None = None
    """False-reject rate that was asked for, of score and map together."""

    proven_rate: float | None = Field(default=None, ge=0, le=1)
    """Rate at which a good picture exceeds a threshold that is proven, for each of the two alone;
    where that is not `alpha` itself."""

    promise: Promise = "proven"
    """What `alpha` is: a rate that is proven for a further good picture, or one that was measured
    on real pictures of other parts and is aimed at here."""

    good_count: int = Field(ge=0)
    """Number of good pictures that they rest on."""

    sizes: PictureSizes | None = None
    """Sizes of the good pictures, as they are stored; None where none were kept."""

    undecided: bool = False
    """Whether a picture that cannot be judged is undecided, unless somebody has set that."""

    defect_count: int = Field(default=0, ge=0)
    """Number of defective pictures that they rest on."""

    found_at: str | None = None
    """UTC, ISO 8601, of a later calibration; None if from the export."""

    notes: tuple[str, ...] = ()
    """Further grounds of the thresholds, in words."""

    @property
    def of_fit(self) -> bool:
        """Whether they rest on scores that the fit gave each picture by a model without it."""
        return self.promise == "measured" and self.method != SPLIT_CONFORMAL


class FileDrift(StrictModel):
    """The largest absolute differences of what is served from a picture's file on.

    The service's decoding, preprocessing and graph are compared with the trained model behind the
    training's own preprocessing.
    """

    score: float = Field(ge=0)
    anomaly_map: float = Field(ge=0)


class Drift(StrictModel):
    """The largest absolute differences of a graph from the trained model on the same inputs."""

    pictures: int = Field(ge=0)
    """Number of pictures that it was measured on."""

    score: float = Field(ge=0)
    anomaly_map: float = Field(ge=0)

    from_file: FileDrift | None = None
    """Those of the whole way from the same pictures' files; None in bundles from before."""


class Manifest(SealedModel):
    """`manifest.json`: everything about the bundle that is not in its graph."""

    format_version: Literal[1] = 1
    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=READABLE_VERSION)

    family: str
    """Kind of detector: efficientad, inpformer, …"""

    variant: str
    """Member of the family: small, medium, …"""

    framework: str
    """Code base of the training that made the checkpoint: takt, anomalib, …"""

    preprocess: Preprocess
    map: MapSpec

    score_from: ScoreFrom = "model"
    """model: the graph's score. map_on_picture: the maximum of the map at the picture's size."""

    max_batch_size: int | None = Field(default=None, ge=1)
    """Most pictures that the graph takes at once; any number if None."""
    padded_batch: bool = False
    """Whether it computes as many, however few it is given."""

    thresholds: Thresholds

    calibration: str = Field(default=CALIBRATION, pattern=r"^calibration[a-z0-9-]*\.npz$")
    """File with the scores that the thresholds rest on."""

    trained_thresholds: CheckpointThresholds | None = None
    """Thresholds of the checkpoint, if it had any; kept for comparison."""

    reference: Reference = "torch"
    """Runtime that gave the golden answers, from which the drift is measured."""

    notes: tuple[str, ...] = ()
    """Further grounds of the answers, in words: what was assumed of the training, or changed."""

    roi: Roi | None = None
    """Part of the picture that counts; all of it if None."""

    tiling: Tiling | None = None
    """Tiles in which the model sees the picture; the model sees it whole if None."""

    fit: FitRecord = FitRecord()
    """What is known of the fit; nothing in bundles from before it was kept."""

    self_test: SelfTest | None = None
    """What speaks against the model; None if no self-test was made."""

    taught: TaughtRecord | None = None
    """What it was taught by judged pictures; None if it was not."""

    drift: Drift

    tolerance: float = Field(default=1e-3, gt=0)
    """Largest drift on the golden inputs at which an engine may serve."""

    variants: tuple[Variant, ...] = ()
    """The same model for other engines and in other precisions."""

    provenance: Provenance | None = None
    """Where it comes from; None in bundles from before that was kept."""

    made_with: dict[str, str]
    """Packages and their versions."""

    created_at: str
    """UTC, ISO 8601."""

    files: dict[str, str]
    """SHA-256 of each other file of the bundle."""

    sizes: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Bytes of each of these files; empty in bundles from before sizes were kept."""

    @property
    def map_size(self) -> tuple[int, int]:
        """(height, width) of the map that the graph gives for a picture, or for a tile."""
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
    def _sizes_are_of_the_files(self) -> Self:
        if self.sizes and self.sizes.keys() != self.files.keys():
            raise ValueError("it states the sizes of other files than it lists")
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
