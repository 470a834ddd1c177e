"""The `.ckpt` files of anomalib's Dinomaly (2.1 to 2.7)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from takt_models.checkpoints.anomalib import dinov2
from takt_models.checkpoints.anomalib.file import REMEDY, AnomalibFile, state_of
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Checkpoint
from takt_models.checkpoints.files.weights import copied
from takt_models.dinomaly.config import Prefix
from takt_models.dinomaly.weights import ANOMALIB, ANOMALIB_BEFORE_TIMM, from_state
from takt_models.dinov2.foreign import ForeignWeightsError, Layout
from takt_models.dinov2.settings import TARGET_BLOCKS


def is_dinomaly(content: object) -> bool:
    """Whether content is a Lightning checkpoint with a bottleneck and linear attention.

    INP-Former, which is like it, has learned tokens too, and a decoder of queries and of keys.
    """
    names = state_of(content).keys()
    return {"model.bottleneck.0.fc1.weight", "model.decoder.0.attn.qkv.weight"} <= names


def load_dinomaly(path: Path, content: object) -> Checkpoint:
    """Makes a Dinomaly of a file's content.

    Raises:
        CheckpointError: tensors do not fit, or the service cannot prepare pictures as the
            training did.
    """
    file = AnomalibFile(path, content)
    preparation = dinov2.preparation(file)
    dinov2.note_precision(file)
    height, width = preparation.size
    try:
        model = from_state(
            copied(file.state, path, REMEDY),
            _layout(file),
            target_blocks=dinov2.target_blocks(file),
            encoder_groups=dinov2.groups(file, "fuse_layer_encoder"),
            decoder_groups=dinov2.groups(file, "fuse_layer_decoder"),
            prefix=_prefix(file),
            width=width,
            height=height,
        )
    except ForeignWeightsError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return file.checkpoint(model, preparation)


def _layout(file: AnomalibFile) -> Layout:
    layout = ANOMALIB_BEFORE_TIMM if dinov2.is_before_timm(file) else ANOMALIB
    if "precision" in file.hyper:
        return layout
    # Before 2.5, when there was no such parameter, a large encoder's default was that of others.
    return replace(layout, target_blocks_of_large=TARGET_BLOCKS)


def _prefix(file: AnomalibFile) -> Prefix:
    if file.flag("remove_class_token", default=False):
        return "removed"
    # Releases before 2.4 do not know it.
    return "subtracted" if file.hyper.get("use_context_recentering") is True else "rebuilt"
