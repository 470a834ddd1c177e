"""Small INP-Formers that tests of several rooms share."""

from __future__ import annotations

from dataclasses import replace

from takt_models.inpformer.config import InpFormerConfig

THIN = InpFormerConfig(
    embed_dim=16,
    encoder_heads=2,
    decoder_heads=2,
    target_blocks=(0, 1),
    decoder_depth=2,
    encoder_groups=((0,), (1,)),
    decoder_groups=((0,), (1,)),
    width=28,
    height=28,
)
"""Two blocks of 16 channels on a grid of 2 x 2."""

WHOLE = replace(THIN, encoder_groups=((0, 1),), decoder_groups=((0, 1),), width=70, height=70)
"""All blocks in one group, on a grid of 5 x 5."""

LIGHT = InpFormerConfig(
    embed_dim=240,
    encoder_heads=8,
    decoder_heads=8,
    target_blocks=tuple(range(8)),
    decoder_depth=2,
    decoder_groups=((0,), (1,)),
    width=64,
    height=64,
    encoder="lite0",
)
"""The light encoder, on a grid of 4 x 4."""
