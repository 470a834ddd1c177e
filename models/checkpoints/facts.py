"""What is known of a trained model beyond its weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from models.detector import Detector

Filter = Literal["area", "pillow_bilinear", "tensor_bilinear"]
"""How the pictures of a training were resized: by area averaging on 8 bits; by Pillow's bilinear
filter (antialiased, rounded to 8 bits after each axis); by torchvision's on float tensors
(antialiased, never rounded)."""

Missing = Literal["teacher statistics", "map quantiles"]


@dataclass(frozen=True)
class Centre:
    """The size in pixels of the middle that a training cut out of each resized picture."""

    width: int
    height: int


@dataclass(frozen=True)
class InputRecipe:
    """How a training made the model's input from a picture; the ratio is never kept.

    Attributes:
        width: columns after resizing.
        height: rows after resizing.
        resize: the filter.
        crop: what was cut out then; all if None.
    """

    width: int
    height: int
    resize: Filter
    crop: Centre | None = None

    def text(self) -> str:
        """For people: sizes as width x height."""
        resized = f"resized to {self.width} x {self.height} ({self.resize})"
        if self.crop is None:
            return resized
        return f"{resized}, of that the centre of {self.crop.width} x {self.crop.height}"


@dataclass(frozen=True)
class TrainedThresholds:
    """The thresholds that a training left in its checkpoint, on the model's own scale.

    Attributes:
        image: a picture is anomalous if its score is greater.
        pixel: a pixel is anomalous if its map value is greater.
        image_min: lowest score that the training saw on its validation pictures.
        image_max: highest one.
        pixel_min: lowest map value, likewise.
        pixel_max: highest one.
    """

    image: float
    pixel: float
    image_min: float | None = None
    image_max: float | None = None
    pixel_min: float | None = None
    pixel_max: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model, float32 in eval mode on the CPU, and what is known of it.

    Attributes:
        model: ready to answer, unless something is missing.
        framework: whose code trained it: `takt`, `anomalib`, `nelson1425`, `official`.
        recipe: how its input is made from a picture.
        seen: `picture_digest` of each good picture that the fit looked at; empty if unknown.
        made_with: versions of the packages that trained it, by name.
        notes: what was done to it since it was loaded, in words.
        thresholds: those of the training, if it left any.
        missing: what must be measured on good pictures before the model can answer.
        assumptions: what the file does not say, and what was taken instead; for people.
    """

    model: Detector
    framework: str
    recipe: InputRecipe
    seen: tuple[str, ...] = ()
    made_with: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    thresholds: TrainedThresholds | None = None
    missing: tuple[Missing, ...] = ()
    assumptions: tuple[str, ...] = ()
