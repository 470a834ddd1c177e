"""Facts of a trained model beyond its weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from takt_models.checkpoints.good_cells import GoodCells
from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.detector import Detector

Filter = Literal["area", "pillow_bilinear", "tensor_bilinear"]
"""Filters that resize pictures: area averaging on 8 bits; Pillow's bilinear filter (antialiased,
rounded to 8 bits after each axis); torchvision's bilinear filter on float tensors (antialiased,
never rounded)."""

FileDepth = Literal["full", "12", "14"]
"""Bits that a camera uses of a file of 16: all, or the lowest 12 or 14."""

Missing = Literal["teacher statistics", "map quantiles"]


@dataclass(frozen=True)
class Centre:
    """Size in pixels of the centre that a training cut out of each resized picture."""

    width: int
    height: int


@dataclass(frozen=True)
class InputRecipe:
    """The way from a picture to the model's input; resizing does not keep the ratio of the sides.

    Attributes:
        width: columns after resizing.
        height: rows after resizing.
        resize: filter of the resizing.
        crop: centre that was cut out afterwards; None for the whole.
        opened_by: what opened the files. pillow: `Image.open` and `convert("RGB")`, as torchvision
            and anomalib do, which turns no picture by its EXIF, clips grey of 16 bits at 255 and
            takes the high byte of colours. takt: upright, with 16 bits by `depth`.
        depth: bits of files of 16 that become 8; without a meaning where Pillow opened them.

    >>> InputRecipe(448, 448, "area", Centre(392, 392)).text()
    'resized to 448 x 448 (area), of that the centre of 392 x 392'
    >>> InputRecipe(320, 320, "area", depth="12").text()
    'resized to 320 x 320 (area); of files of 16 bits the lowest 12'
    """

    width: int
    height: int
    resize: Filter
    crop: Centre | None = None
    opened_by: Literal["takt", "pillow"] = "takt"
    depth: FileDepth = "full"

    def facts(self) -> dict[str, Any]:
        """The recipe as `FitFacts` keeps it beside the size of the model's input.

        >>> InputRecipe(448, 448, "area", Centre(392, 392)).facts()
        {'preprocess': 'area', 'resized': 448, 'depth': 'full'}
        """
        resized = None if self.crop is None else self.width
        return {"preprocess": self.resize, "resized": resized, "depth": self.depth}

    def text(self) -> str:
        """The recipe for people, with sizes as width x height."""
        text = f"resized to {self.width} x {self.height} ({self.resize})"
        if self.crop is not None:
            text += f", of that the centre of {self.crop.width} x {self.crop.height}"
        if self.depth != "full":
            text += f"; of files of 16 bits the lowest {self.depth}"
        return text


@dataclass(frozen=True)
class SizeRange:
    """The sizes of some pictures, in pixels; at least one picture.

    >>> SizeRange.of([(640, 480), (600, 500)])
    SizeRange(least_width=600, most_width=640, least_height=480, most_height=500)
    """

    least_width: int
    most_width: int
    least_height: int
    most_height: int

    @classmethod
    def of(cls, sizes: Iterable[tuple[int, int]]) -> SizeRange:
        """The range of sizes (width, height)."""
        widths, heights = zip(*sizes, strict=True)
        return cls(min(widths), max(widths), min(heights), max(heights))


@dataclass(frozen=True)
class TrainedThresholds:
    """The thresholds that a training left in its checkpoint, on the model's own scale.

    Attributes:
        image: threshold of scores; a picture with a greater one is anomalous.
        pixel: threshold of map values; a pixel with a greater one is anomalous.
        image_min: lowest score on the validation pictures of the training.
        image_max: highest score on them.
        pixel_min: lowest map value on them.
        pixel_max: highest map value on them.
    """

    image: float
    pixel: float
    image_min: float | None = None
    image_max: float | None = None
    pixel_min: float | None = None
    pixel_max: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model, float32 in eval mode on the CPU, with its facts.

    Attributes:
        model: detector, ready to answer unless something is missing.
        framework: code base that trained it: `takt`, `anomalib`, `nelson1425` or `official`.
        recipe: way from a picture to the model's input.
        seen: `picture_digest` of each good picture that the fit looked at; empty if unknown.
        made_with: versions by package of the training.
        notes: changes since the loading, in words.
        thresholds: thresholds of the training, if it left any.
        missing: statistics to be measured on good pictures before the model can answer.
        assumptions: gaps of the file, each with the default that was taken, for people.
        steps: steps of the optimiser; None where there are none, or the file does not tell.
        sizes: sizes of the pictures that the fit looked at; None if the file does not tell.
        out_of_fold: maps of good pictures by the model without them; None if the fit made none.
        good_cells: features of good parts, of which a head is taught; None if the fit kept none.
        auroc: image AUROC that the fit reached on held-out good pictures with made-up defects;
            None if it did not measure one.
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
    steps: int | None = None
    sizes: SizeRange | None = None
    out_of_fold: OutOfFold | None = None
    good_cells: GoodCells | None = None
    auroc: float | None = None
