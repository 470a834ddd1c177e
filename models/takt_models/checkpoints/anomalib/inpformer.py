"""The `.ckpt` files of anomalib's InpFormer (2.5 to 2.7)."""

from __future__ import annotations

from pathlib import Path

from takt_models.checkpoints.anomalib import dinov2
from takt_models.checkpoints.anomalib.file import REMEDY, AnomalibFile, state_of
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Checkpoint
from takt_models.checkpoints.files.weights import copied
from takt_models.dinov2.foreign import ForeignWeightsError
from takt_models.inpformer.weights import ANOMALIB, ANOMALIB_2_5_0, from_state


def is_inpformer(content: object) -> bool:
    """Whether content is a Lightning checkpoint with learned tokens for prototypes."""
    return any(name.startswith("model.prototype_token") for name in state_of(content))


def load_inpformer(path: Path, content: object) -> Checkpoint:
    """Makes an INP-Former of a file's content.

    Raises:
        CheckpointError: tensors do not fit, or the service cannot prepare pictures as the
            training did.
    """
    file = AnomalibFile(path, content)
    preparation = dinov2.preparation(file)
    _check(file)
    dinov2.note_precision(file)
    height, width = preparation.size
    if height != width:
        raise CheckpointError(
            f"{path} was trained on {width} x {height} pixels, and anomalib's INP-Former takes "
            "squares: train on such"
        )
    try:
        model = from_state(
            copied(file.state, path, REMEDY),
            ANOMALIB_2_5_0 if dinov2.is_before_timm(file) else ANOMALIB,
            target_blocks=dinov2.target_blocks(file),
            encoder_groups=dinov2.groups(file, "fuse_layer_encoder"),
            decoder_groups=dinov2.groups(file, "fuse_layer_decoder"),
            width=width,
            height=height,
        )
    except ForeignWeightsError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return file.checkpoint(model, preparation)


def _check(file: AnomalibFile) -> None:
    """Refuses settings that our INP-Former does not have."""
    if not file.flag("remove_class_token", default=True):
        raise CheckpointError(
            f"{file.path} was trained with remove_class_token=False, which leaves no square of "
            "patches for a map: train with True"
        )
