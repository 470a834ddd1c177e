"""An INP-Former of a few numbers, for tests."""

from __future__ import annotations

from typing import Any

from torch import nn

from takt_models.inpformer.config import InpFormerConfig

SMALLEST = InpFormerConfig(
    embed_dim=32,
    encoder_heads=2,
    decoder_heads=4,
    target_blocks=(1, 2),
    decoder_depth=3,
    encoder_groups=((0,), (1,)),
    decoder_groups=((0, 1), (2,)),
    inp_count=5,
    mlp_ratio=2,
    width=56,
    height=56,
)


def config_with(**changes: Any) -> InpFormerConfig:
    return InpFormerConfig(**{**SMALLEST.as_dict(), **changes})


def unlike_defaults(module: nn.Module) -> None:
    """Give every parameter of one dimension a part to play: norms, biases, LayerScale."""
    for parameter in module.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.2, 1.2)
