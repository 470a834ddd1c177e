"""The encoder: DINOv2 with registers, frozen, up to the last block that is used."""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from models.inpformer.config import InpFormerConfig

REGISTERS = 4
NORM_EPS = 1e-6


class DinoEncoder(nn.Module):
    """A vision transformer of timm's blocks, pre-norm with LayerScale, on a fixed grid.

    The position embedding [1,T,D], T patches, belongs to the grid of the input: loading weights
    resizes it once from the grid of their training. The class token includes the embedding of its
    own position, and no norm follows the last block.
    """

    pos_embed: Tensor

    def __init__(self, config: InpFormerConfig) -> None:
        super().__init__()
        # Imported here, because timm takes seconds to load and most users build no such encoder.
        from timm.models.vision_transformer import Block

        dim = config.embed_dim
        norm = cast(type[nn.Module], partial(nn.LayerNorm, eps=NORM_EPS))
        self.target_blocks = config.target_blocks
        self.patch_embed = nn.Conv2d(3, dim, config.patch, stride=config.patch)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.registers = nn.Parameter(torch.empty(1, REGISTERS, dim))
        self.register_buffer("pos_embed", torch.empty(1, config.tokens, dim))
        for tokens in (self.cls_token, self.registers, self.pos_embed):
            nn.init.normal_(tokens, std=0.02)
        self.blocks = nn.ModuleList(
            Block(
                dim,
                config.encoder_heads,
                mlp_ratio=config.mlp_ratio,
                qkv_bias=True,
                init_values=1.0,
                norm_layer=norm,
            )
            for _ in range(config.encoder_depth)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """ImageNet-normalised [N,3,H,W] -> patch tokens [N,T,D] after each target block."""
        patches = self.patch_embed(x).flatten(2).transpose(1, 2) + self.pos_embed
        prefix = torch.cat([self.cls_token, self.registers], dim=1)
        tokens = torch.cat([prefix.expand(patches.shape[0], -1, -1), patches], dim=1)
        features = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index in self.target_blocks:
                features.append(tokens[:, 1 + REGISTERS :])
        return tuple(features)
