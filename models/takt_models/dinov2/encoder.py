"""The encoder: DINOv2, with registers or without, frozen, up to the last block that is used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from takt_models.dinov2.positions import Grid
from takt_models.dinov2.settings import PATCH, Blocks

REGISTERS = 4
NORM_EPS = 1e-6


@dataclass(frozen=True)
class EncoderShape:
    """Settings that shape the encoder.

    Attributes:
        embed_dim: channels of a token.
        heads: attention heads.
        target_blocks: blocks whose outputs are used, rising from 0; the last of them is the last
            block of the encoder.
        grid: rows and columns of patches.
        mlp_ratio: hidden channels of every MLP, as a multiple of `embed_dim`.
        registers: tokens that stand for no place of the picture, beside the class token.
    """

    embed_dim: int
    heads: int
    target_blocks: Blocks
    grid: Grid
    mlp_ratio: int = 4
    registers: int = REGISTERS

    @property
    def prefix(self) -> int:
        """Number of tokens before those of the patches: the class token and the registers."""
        return 1 + self.registers


class DinoEncoder(nn.Module):
    """A vision transformer of timm's blocks, pre-norm with LayerScale, on a fixed grid.

    The position embedding [1,T,D], T patches, belongs to the grid of the input: loading weights
    resizes it once from the grid of their training. The class token includes the embedding of its
    own position, and no norm follows the last block.

    >>> encoder = DinoEncoder(EncoderShape(8, 2, target_blocks=(0, 1), grid=(2, 3)))
    >>> [tuple(tokens.shape) for tokens in encoder(torch.zeros(1, 3, 28, 42))]
    [(1, 6, 8), (1, 6, 8)]
    """

    pos_embed: Tensor
    registers: nn.Parameter | None

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        # Imported here, because timm takes seconds to load and most users build no such encoder.
        from timm.models.vision_transformer import Block

        dim = shape.embed_dim
        rows, columns = shape.grid
        norm = cast(type[nn.Module], partial(nn.LayerNorm, eps=NORM_EPS))
        self.target_blocks = shape.target_blocks
        self.prefix = shape.prefix
        self.patch_embed = nn.Conv2d(3, dim, PATCH, stride=PATCH)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        registers = nn.Parameter(torch.empty(1, shape.registers, dim))
        self.register_parameter("registers", registers if shape.registers else None)
        self.register_buffer("pos_embed", torch.empty(1, rows * columns, dim))
        for tokens in (self.cls_token, registers, self.pos_embed):
            nn.init.normal_(tokens, std=0.02)
        self.blocks = nn.ModuleList(
            Block(
                dim,
                shape.heads,
                mlp_ratio=shape.mlp_ratio,
                qkv_bias=True,
                init_values=1.0,
                norm_layer=norm,
            )
            for _ in range(shape.target_blocks[-1] + 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """ImageNet-normalised [N,3,H,W] -> patch tokens [N,T,D] after each target block."""
        return tuple(tokens[:, self.prefix :] for tokens in self.all_tokens(x))

    def all_tokens(self, x: Tensor) -> tuple[Tensor, ...]:
        """ImageNet-normalised [N,3,H,W] -> tokens [N,P+T,D] after each target block.

        The class token is the first of the P tokens before the patches; the registers follow.
        """
        patches = self.patch_embed(x).flatten(2).transpose(1, 2) + self.pos_embed
        prefix: Tensor = self.cls_token
        if self.registers is not None:
            prefix = torch.cat([prefix, self.registers], dim=1)
        tokens = torch.cat([prefix.expand(patches.shape[0], -1, -1), patches], dim=1)
        features = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index in self.target_blocks:
                features.append(tokens)
        return tuple(features)
