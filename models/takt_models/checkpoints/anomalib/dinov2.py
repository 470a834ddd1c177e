"""What anomalib's models on DINOv2 have in common in their files."""

from __future__ import annotations

import math

from takt_models.checkpoints.anomalib.file import REMEDY, AnomalibFile
from takt_models.checkpoints.anomalib.preprocessing import Normalisation, Preparation
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.checkpoints.files.pickles import value_of
from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD
from takt_models.dinov2.settings import Blocks

DEFAULT = Preparation(
    InputRecipe(448, 448, "tensor_bilinear", Centre(392, 392), "pillow"),
    Normalisation(IMAGENET_MEAN, IMAGENET_STD),
)


def preparation(file: AnomalibFile) -> Preparation:
    """The preparation of the training's pictures.

    Raises:
        CheckpointError: it is unknown, or not reproduced, or not what a DINOv2 needs.
    """
    found = file.preparation(DEFAULT)
    if found.normalisation is None or not _is_imagenet(found.normalisation):
        raise CheckpointError(
            f"{file.path} was trained on pictures that were not normalised by ImageNet's mean and "
            "deviation, as its encoder needs them: train with Normalize(mean="
            f"{list(IMAGENET_MEAN)}, std={list(IMAGENET_STD)})"
        )
    return found


def note_precision(file: AnomalibFile) -> None:
    """Notes that a training was not in float32."""
    if str(value_of(file.hyper.get("precision"))).lower() == "float16":
        file.assumptions.append(
            "trained and answered in bfloat16; Takt reads the same weights in float32, so that "
            "scores differ by bfloat16's rounding"
        )


def target_blocks(file: AnomalibFile) -> Blocks | None:
    """The blocks of the encoder whose outputs are used; None for the default."""
    layers = file.hyper.get("target_layers")
    return None if layers is None else _blocks(layers, file, "target_layers")


def groups(file: AnomalibFile, name: str) -> tuple[Blocks, ...] | None:
    """The groups of blocks in a hyper-parameter; None for the default."""
    groups = file.hyper.get(name)
    if groups is None:
        return None
    given = groups if isinstance(groups, (list, tuple)) else [groups]
    return tuple(_blocks(group, file, name) for group in given)


def is_before_timm(file: AnomalibFile) -> bool:
    """Whether the encoder is that of DINOv2's own code, as it was up to anomalib 2.5.0."""
    return "encoder.pos_embed" in file.state


def _is_imagenet(normalisation: Normalisation) -> bool:
    pairs = zip(normalisation.mean + normalisation.std, IMAGENET_MEAN + IMAGENET_STD, strict=True)
    return all(math.isclose(theirs, ours, abs_tol=1e-6) for theirs, ours in pairs)


def _blocks(value: object, file: AnomalibFile, name: str) -> Blocks:
    if not isinstance(value, (list, tuple)) or any(type(one) is not int for one in value):
        raise CheckpointError(f"{file.path}: {name} does not name blocks by numbers: {REMEDY}")
    return tuple(value)
