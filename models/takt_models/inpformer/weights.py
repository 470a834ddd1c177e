"""INP-Former out of the state dicts of the two public code bases.

The shapes of the tensors tell all settings of the model but those of `UntoldSettings`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor

from takt_models.dinov2.foreign import (
    OWN_NAMES,
    TIMM_NAMES,
    ForeignState,
    ForeignWeightsError,
    Layout,
)
from takt_models.dinov2.positions import anomalib_positions, official_positions
from takt_models.dinov2.settings import (
    LARGE_DEPTH,
    TARGET_BLOCKS,
    TARGET_BLOCKS_OF_LARGE,
    Blocks,
)
from takt_models.inpformer.config import InpFormerConfig, Mode
from takt_models.inpformer.detector import InpFormer


class UntoldSettings(TypedDict, total=False):
    """Settings of `InpFormerConfig` that no tensor tells; None stands for the default."""

    target_blocks: Blocks | None
    encoder_groups: tuple[Blocks, ...] | None
    decoder_groups: tuple[Blocks, ...] | None
    width: int
    height: int
    mode: Mode


def from_state(
    state: Mapping[str, Tensor], layout: Layout, **settings: Unpack[UntoldSettings]
) -> InpFormer:
    """The model, in eval mode, of a code base's state dict.

    Args:
        state: tensors of any float dtype by their names there, for `ANOMALIB` without the leading
            `model.`. Tensors that are float32 already are not copied.
        layout: `OFFICIAL` for the `model.pth` of luow23/INP-Former, `ANOMALIB` or
            `ANOMALIB_2_5_0` for anomalib's.
        settings: settings that the state dict does not tell.

    Raises:
        ForeignWeightsError: tensors are missing, superfluous or of a wrong shape, or do not fit
            the settings.
    """
    foreign = ForeignState(layout, state)
    told = {name: value for name, value in settings.items() if value is not None}
    if foreign.depth("encoder.blocks.") == LARGE_DEPTH:
        told.setdefault("target_blocks", layout.target_blocks_of_large)
    config = _config(foreign, told)
    # Without memory until the shapes are known to be those of the file.
    with torch.device("meta"):
        model = InpFormer(config)
    weights = foreign.weights(model.state_dict(), config.grid, config.encoder_depth)
    model.load_state_dict(weights, assign=True)
    return model.eval()


OFFICIAL = Layout(
    model="INP-Former",
    owner="the official code",
    recipe="official",
    target_blocks_of_large=TARGET_BLOCKS_OF_LARGE,
    names=(
        ("extractor.tokens", "prototype_token"),
        ("extractor.", "aggregation.0."),
        ("bottleneck.", "bottleneck.0."),
        *OWN_NAMES,
    ),
    ignored=re.compile(r"encoder\.(norm\.|mask_token$)"),
    position_prefix=1,
    resize_positions=official_positions,
)

ANOMALIB = Layout(
    model="INP-Former",
    owner="anomalib",
    recipe="anomalib",
    # anomalib documents others, but takes these whatever the encoder's size.
    target_blocks_of_large=TARGET_BLOCKS,
    names=(
        ("extractor.tokens", "prototype_token.0"),
        ("extractor.", "aggregation.0."),
        ("bottleneck.", "bottleneck.0."),
        *TIMM_NAMES,
    ),
    ignored=re.compile(
        r"encoder\.feature_extractor\.norm\.|trainable_modules\.|gaussian_blur\.kernel$"
    ),
    position_prefix=0,
    resize_positions=anomalib_positions,
)


ANOMALIB_2_5_0 = replace(
    ANOMALIB,
    names=(
        ("extractor.tokens", "prototype_token.0"),
        ("extractor.", "aggregation.0."),
        ("bottleneck.", "bottleneck.0."),
        *OWN_NAMES,
    ),
    ignored=re.compile(r"encoder\.(norm\.|mask_token$)|trainable_modules\.|gaussian_blur\.kernel$"),
    position_prefix=1,
    resize_positions=official_positions,
)
"""anomalib 2.5.0, whose encoder was DINOv2's own code."""


def _config(foreign: ForeignState, told: Mapping[str, Any]) -> InpFormerConfig:
    """The settings that the shapes tell, with those that the caller told."""
    inp_count, dim = foreign.shape("extractor.tokens", 2)
    hidden, _ = foreign.shape("bottleneck.fc1.weight", 2)
    heads, _, _ = foreign.shape("decoder.0.attn.learn_scale", 3)
    encoder_heads = foreign.heads(dim, "its tokens have")
    try:
        config = InpFormerConfig(
            embed_dim=dim,
            encoder_heads=encoder_heads,
            decoder_heads=heads,
            decoder_depth=foreign.depth("decoder."),
            inp_count=inp_count,
            mlp_ratio=max(1, hidden // dim),
            mlp_bias=foreign.has("extractor.mlp.fc1.bias"),
            recipe=foreign.layout.recipe,
            **told,
        )
    except ValueError as error:
        raise ForeignWeightsError(str(error)) from error
    foreign.check_reach(config.target_blocks)
    return config
