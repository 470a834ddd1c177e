"""The encoders as pyramids: the features of several layers of a picture on one grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.inpformer.config import InpFormerConfig
from models.inpformer.encoder import DinoEncoder
from models.inpformer.lite0 import STAGES, STEM_CHANNELS, SameConv, lite0_blocks
from models.patchcore.config import PatchCoreConfig

LEAST_LENGTH = 1e-12


class Lite0Pyramid(nn.Module):
    """Some blocks of EfficientNet-Lite0, frozen, on the grid of the finest.

    Args:
        blocks: numbers of the blocks in rising order, from 0 (16 channels of stride 2) to 10 (112
            of stride 16).
        neighbourhood: side in cells, each block's own, of the square that is averaged.

    Attributes:
        channels: channels of all these blocks together.
        stride: side in pixels of a cell of the grid.

    >>> pyramid = Lite0Pyramid((4, 10), neighbourhood=3)
    >>> pyramid.channels, pyramid.stride, pyramid(torch.zeros(1, 3, 32, 64)).shape
    (152, 8, torch.Size([1, 152, 4, 8]))
    """

    def __init__(self, blocks: Sequence[int], neighbourhood: int) -> None:
        super().__init__()
        self.neighbourhood = neighbourhood
        outputs = [stage.channels for stage in STAGES for _ in range(stage.blocks)]
        strides = [stage.stride if n == 0 else 1 for stage in STAGES for n in range(stage.blocks)]
        self.taken = frozenset(blocks)
        self.channels = sum(outputs[block] for block in blocks)
        self.stride = 2 * math.prod(strides[: blocks[0] + 1])
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2)
        self.blocks = nn.ModuleList(list(lite0_blocks())[: blocks[-1] + 1])

    def forward(self, x: Tensor) -> Tensor:
        """Normalised [N,3,H,W] -> features [N,C,H/stride,W/stride]."""
        x = F.relu6(self.stem(x))
        layers = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taken:
                layers.append(averaged(x, self.neighbourhood))
        size = layers[0].shape[-2:]
        finest, *coarser = layers
        enlarged = [
            F.interpolate(one, size=size, mode="bilinear", align_corners=False)
            if one.shape[-2:] != size
            else one
            for one in coarser
        ]
        return torch.cat([finest, *enlarged], dim=1)


class DinoPyramid(nn.Module):
    """Tokens of some blocks of a DINOv2 with registers, frozen, each of length 1.

    Args:
        config: settings with the encoder `dinov2`.

    Attributes:
        channels: channels of all blocks together.
        stride: side in pixels of a cell of the grid.
    """

    def __init__(self, config: PatchCoreConfig) -> None:
        super().__init__()
        self.channels = config.embed_dim * len(config.layers)
        self.stride = 14
        self.neighbourhood = config.neighbourhood
        self.grid = config.height // self.stride, config.width // self.stride
        self.tokens = DinoEncoder(
            InpFormerConfig(
                embed_dim=config.embed_dim,
                encoder_heads=config.encoder_heads,
                decoder_heads=config.encoder_heads,
                target_blocks=config.layers,
                encoder_groups=((0,),),
                decoder_groups=((0,),),
                width=config.width,
                height=config.height,
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Normalised [N,3,H,W] -> features [N,C,H/14,W/14]."""
        layers = [F.normalize(one, dim=-1, eps=LEAST_LENGTH) for one in self.tokens(x)]
        together = torch.cat(layers, dim=-1).transpose(1, 2)
        features: Tensor = together.unflatten(2, self.grid)
        return averaged(features, self.neighbourhood)


def averaged(features: Tensor, side: int) -> Tensor:
    """Features [N,C,h,w] averaged over the square of cells around each, as far as there are."""
    if side == 1:
        return features
    return F.avg_pool2d(features, side, 1, side // 2, count_include_pad=False)
