"""Dinomaly out of the state dicts of the two public code bases.

The shapes of the tensors tell all settings of the model but those of `UntoldOfDinomaly`, and the
number of heads, which is an encoder's channels by 64.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor

from takt_models.dinomaly.config import DinomalyConfig, Prefix
from takt_models.dinomaly.detector import Dinomaly
from takt_models.dinov2.foreign import (
    OWN_NAMES,
    TIMM_NAMES,
    ForeignState,
    ForeignWeightsError,
    Layout,
)
from takt_models.dinov2.positions import anomalib_positions, official_positions
from takt_models.dinov2.settings import LARGE_DEPTH, TARGET_BLOCKS_OF_LARGE, Blocks


class UntoldOfDinomaly(TypedDict, total=False):
    """Settings of `DinomalyConfig` that no tensor tells; None stands for the default."""

    target_blocks: Blocks | None
    encoder_groups: tuple[Blocks, ...] | None
    decoder_groups: tuple[Blocks, ...] | None
    prefix: Prefix
    width: int
    height: int


def from_state(
    state: Mapping[str, Tensor], layout: Layout, **settings: Unpack[UntoldOfDinomaly]
) -> Dinomaly:
    """The model, in eval mode, of a code base's state dict.

    Args:
        state: tensors of any float dtype by their names there, for `ANOMALIB` without the leading
            `model.`. Tensors that are float32 already are not copied.
        layout: `OFFICIAL` for guojiajeremy/Dinomaly, `ANOMALIB` or `ANOMALIB_BEFORE_TIMM` for
            anomalib's.
        settings: settings that the state dict does not tell.

    Raises:
        ForeignWeightsError: tensors are missing, superfluous or of a wrong shape, or do not fit
            the settings.
    """
    foreign = ForeignState(layout, state)
    if not foreign.has("encoder.registers"):
        # Without registers timm, too, keeps the class token's position among the others.
        foreign = ForeignState(replace(layout, position_prefix=1), state)
    told = {name: value for name, value in settings.items() if value is not None}
    if foreign.depth("encoder.blocks.") == LARGE_DEPTH:
        told.setdefault("target_blocks", layout.target_blocks_of_large)
    config = _config(foreign, told)
    # Without memory until the shapes are known to be those of the file.
    with torch.device("meta"):
        model = Dinomaly(config)
    depth = config.target_blocks[-1] + 1
    weights = foreign.weights(model.state_dict(), config.encoder_shape.grid, depth)
    model.load_state_dict(weights, assign=True)
    return model.eval()


OFFICIAL = Layout(
    model="Dinomaly",
    owner="the official code",
    recipe="official",
    target_blocks_of_large=TARGET_BLOCKS_OF_LARGE,
    names=(
        ("bottleneck.", "bottleneck.0."),
        *OWN_NAMES,
    ),
    ignored=re.compile(r"encoder\.(norm\.|mask_token$)"),
    position_prefix=1,
    resize_positions=official_positions,
)

ANOMALIB = Layout(
    model="Dinomaly",
    owner="anomalib",
    recipe="anomalib",
    target_blocks_of_large=TARGET_BLOCKS_OF_LARGE,
    names=(
        ("bottleneck.", "bottleneck.0."),
        *TIMM_NAMES,
    ),
    ignored=re.compile(r"encoder\.feature_extractor\.norm\.|gaussian_blur\.kernel$"),
    position_prefix=0,
    resize_positions=anomalib_positions,
)


ANOMALIB_BEFORE_TIMM = replace(
    OFFICIAL,
    owner="anomalib",
    recipe="anomalib",
    ignored=re.compile(r"encoder\.(norm\.|mask_token$)|gaussian_blur\.kernel$"),
)
"""anomalib 2.1 to 2.5.0, whose encoder was DINOv2's own code."""


def _config(foreign: ForeignState, told: Mapping[str, Any]) -> DinomalyConfig:
    """The settings that the shapes tell, with those that the caller told."""
    _, _, dim = foreign.shape("encoder.cls_token", 3)
    hidden, _ = foreign.shape("bottleneck.fc1.weight", 2)
    registers = "encoder.registers"
    heads = foreign.heads(dim, "its encoder has")
    try:
        config = DinomalyConfig(
            embed_dim=dim,
            heads=heads,
            registers=foreign.shape(registers, 3)[1] if foreign.has(registers) else 0,
            decoder_depth=foreign.depth("decoder."),
            mlp_ratio=max(1, hidden // dim),
            mlp_bias=foreign.has("bottleneck.fc1.bias"),
            recipe=foreign.layout.recipe,
            **told,
        )
    except ValueError as error:
        raise ForeignWeightsError(str(error)) from error
    foreign.check_reach(config.target_blocks)
    return config
