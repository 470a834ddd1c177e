"""A checkpoint as the source of a bundle, with torch as its reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from takt.core.bundles.bundle import Golden
from takt.core.bundles.findings import FitRecord, PictureSizes
from takt.core.bundles.manifest import CheckpointThresholds, Crop, InputType, Preprocess
from takt.core.bundles.tiling import Tiling
from takt.core.domain import Batch
from takt.core.families.every import known
from takt.core.pictures.roi import RoiShape
from takt_export.bundling.graph import GraphFacts, ImagesToAnswer, write_graph
from takt_export.bundling.roi import place
from takt_export.bundling.source import SourceFacts
from takt_export.calibration.cross_conformal import OutOfFoldScores, scores_with_head
from takt_export.errors import ExportError
from takt_export.pictures import picture_size, read_model_input
from takt_models.checkpoints.facts import Checkpoint, InputRecipe, SizeRange
from takt_models.checkpoints.nelson import measure_missing
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.inpformer.detector import InpFormer


class CheckpointSource:
    """A checkpoint that can be exported.

    Args:
        checkpoint: complete, as `with_statistics` makes it.
        roi: the region of interest; the whole picture if None.

    Raises:
        ExportError: a taught model is to judge a region alone.
        RoiError: the model sees nothing of the region.
    """

    def __init__(self, checkpoint: Checkpoint, roi: RoiShape | None = None) -> None:
        taught = checkpoint.good_cells is not None and checkpoint.good_cells.head is not None
        if taught and roi is not None:
            raise ExportError(
                "what a model was taught it looks for in the whole picture: export it without a "
                "region of interest, or the version from before it was taught"
            )
        self._model = checkpoint.model
        spec, grid = preprocess_of(checkpoint.recipe), checkpoint.model.map_size
        placed = None if roi is None else place(roi, spec, grid, checkpoint.model.lowest)
        # The training's thresholds belong to the whole map.
        trained = None if placed else checkpoint.thresholds
        self._inside = None if placed is None else placed.inside
        self._reference = ImagesToAnswer(checkpoint.model, self._inside).eval()
        self.facts = SourceFacts(
            family=checkpoint.model.family,
            variant=checkpoint.model.variant,
            framework=checkpoint.framework,
            preprocess=spec,
            map_size=grid,
            reference="torch",
            score_from=checkpoint.model.score_from,
            trained_thresholds=(
                CheckpointThresholds(image=trained.image, pixel=trained.pixel) if trained else None
            ),
            seen=checkpoint.seen,
            fit=_fit_record(checkpoint),
            out_of_fold=_out_of_fold(checkpoint, self._inside),
            made_with=checkpoint.made_with,
            notes=_notes(checkpoint, placed is not None),
            roi=placed,
        )

    def write_graph(self, path: Path, input_type: InputType) -> GraphFacts:
        """Write the model as a bundle's graph, by `takt_export.bundling.graph.write_graph`."""
        return write_graph(self._model, path, self._inside, input_type)

    def answer(self, images: Batch) -> Golden:
        """Torch's answers to model inputs, [N,H,W,3] of either type."""
        with torch.inference_mode():
            anomaly_map, score = self._reference(torch.from_numpy(images))
        return Golden(images, anomaly_map.numpy(), score.numpy())


def preprocess_of(recipe: InputRecipe) -> Preprocess:
    """A training's recipe as a manifest holds it: the crop with its corner.

    >>> preprocess_of(InputRecipe(256, 256, "area")).input_size
    (256, 256)
    >>> preprocess_of(InputRecipe(256, 256, "tensor_bilinear")).input
    'float32'
    >>> preprocess_of(InputRecipe(256, 256, "area", opened_by="pillow")).orientation
    'ignore'

    The corner of an uneven rest is rounded half to even, as torchvision's CenterCrop does.
    """
    by_pillow = recipe.opened_by == "pillow"
    return Preprocess(
        width=recipe.width,
        height=recipe.height,
        orientation="ignore" if by_pillow else "apply",
        depth="pillow" if by_pillow else recipe.depth,
        resize=recipe.resize,
        input="float32" if recipe.resize == "tensor_bilinear" else "uint8",
        crop=_crop_of(recipe),
    )


def with_full_view(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without its crop: pictures are resized straight to the model's input.

    Raises:
        ExportError: the model crops nothing.
    """
    crop = checkpoint.recipe.crop
    if crop is None:
        raise ExportError(
            "this model sees the whole picture as it is; export it without --full-view"
        )
    whole = replace(checkpoint.recipe, width=crop.width, height=crop.height, crop=None)
    note = (
        f"full view: the whole picture is resized to the input, where the training cut that out "
        f"of {checkpoint.recipe.width} x {checkpoint.recipe.height}"
    )
    # The training's thresholds belong to the cropped view.
    return replace(checkpoint, recipe=whole, thresholds=None, notes=(*checkpoint.notes, note))


def with_zero_shot(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the map of distances to the nearest prototype, which no decoder made.

    Raises:
        ExportError: the model is no INP-Former.
    """
    model = checkpoint.model
    if not isinstance(model, InpFormer):
        raise ExportError(
            f"--zero-shot is a mode of INP-Former, and this model is of the family {model.family}; "
            "export it without"
        )
    note = "zero-shot: the map is the distance to the nearest prototype; no decoder is used"
    return replace(
        checkpoint,
        model=model.in_mode("zero_shot"),
        thresholds=None,
        notes=(*checkpoint.notes, note),
    )


def with_seen(checkpoint: Checkpoint, pictures: Sequence[Path]) -> Checkpoint:
    """The checkpoint with further pictures that its training has seen."""
    digests = (picture_digest(path) for path in pictures)
    sizes = checkpoint.sizes
    if sizes is None and pictures:
        sizes = SizeRange.of(map(picture_size, pictures))
    return replace(checkpoint, seen=tuple(dict.fromkeys((*checkpoint.seen, *digests))), sizes=sizes)


def with_statistics(
    checkpoint: Checkpoint,
    pictures: Sequence[Path],
    tell: Callable[[str], None],
    tiling: Tiling | None = None,
) -> Checkpoint:
    """The checkpoint with the statistics that it lacks, measured on good pictures.

    Args:
        checkpoint: as it was loaded.
        pictures: those that it was trained on.
        tell: takes a line about what is measured.
        tiling: the tiles that the model will see; the one in each picture's middle is measured.

    Raises:
        CheckpointError: the pictures are too few.
        FlatStatisticsError: they are too alike.
        PicturesError: a picture cannot be read.
    """
    if not checkpoint.missing:
        return checkpoint
    what = f"{' and '.join(checkpoint.missing)} on {len(pictures)} pictures"
    tell(f"measuring {what}")
    spec = preprocess_of(checkpoint.recipe)

    def read(path: Path) -> Tensor:
        pixels = torch.from_numpy(read_model_input(path, spec, tiling))
        return pixels.permute(2, 0, 1)[None].float() / 255

    measured = measure_missing(checkpoint, pictures, read)
    notes = (*checkpoint.notes, f"measured at the export, not by the training: {what}")
    # `with_seen` decides whether they may calibrate too.
    return replace(measured, seen=checkpoint.seen, notes=notes)


def _notes(checkpoint: Checkpoint, is_part: bool) -> tuple[str, ...]:
    """What sets the bundle apart from the training; `is_part` where only a region counts."""
    notes = (*(f"assumed: {text}" for text in checkpoint.assumptions), *checkpoint.notes)
    said = checkpoint.model.note_of_part
    return notes if said is None or not is_part else (*notes, f"region of interest: {said}")


def _fit_record(checkpoint: Checkpoint) -> FitRecord:
    sizes = checkpoint.sizes
    return FitRecord(
        # What is not trained counts pictures as its steps.
        steps=checkpoint.steps if _is_trained(checkpoint.model.family) else None,
        pictures=len(checkpoint.seen) or None,
        sizes=None if sizes is None else PictureSizes(**asdict(sizes)),
        auroc=checkpoint.auroc,
    )


def _is_trained(family: str) -> bool:
    listed = known(family)
    return listed is None or listed.is_trained


def _out_of_fold(
    checkpoint: Checkpoint, inside: NDArray[np.bool_] | None
) -> OutOfFoldScores | None:
    """The scores of a checkpoint's out-of-fold maps, of the cells that count."""
    found, asked = checkpoint.out_of_fold, checkpoint.good_cells
    if found is None:
        return None
    digests = tuple(checkpoint.seen[picture] for picture in found.pictures)
    files = {} if asked is None else asked.files
    values = found.maps.flatten(1) if inside is None else found.maps[:, torch.from_numpy(inside)]
    scores = OutOfFoldScores(
        digests=digests,
        score=checkpoint.model.score_of(values).numpy(),
        peak=values.amax(1).numpy(),
        map_median=float(values.median()),
        folds=found.folds,
        cells=values.numpy(),
        files={digests[part]: name for part, name in files.items()},
        lots=found.lots,
        score_of=lambda cells: float(checkpoint.model.score_of(torch.from_numpy(cells)[None])),
    )
    if asked is None or asked.head is None:
        return scores
    said = asked.for_all(asked.head, torch.from_numpy(scores.score))
    return scores_with_head(scores, said.double().numpy())


def _crop_of(recipe: InputRecipe) -> Crop | None:
    if recipe.crop is None:
        return None
    width, height = recipe.crop.width, recipe.crop.height
    x, y = round((recipe.width - width) / 2), round((recipe.height - height) / 2)
    return Crop(x=x, y=y, width=width, height=height)
