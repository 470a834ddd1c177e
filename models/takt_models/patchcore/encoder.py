"""The encoders as pyramids: the features of several layers of a picture, each on its own grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.dinov2.encoder import DinoEncoder, EncoderShape
from takt_models.inpformer.lite0 import STAGES, STEM_CHANNELS, SameConv, lite0_blocks
from takt_models.patchcore.config import PatchCoreConfig

LEAST_LENGTH = 1e-12


class Lite0Pyramid(nn.Module):
    """Some blocks of EfficientNet-Lite0, frozen.

    Args:
        blocks: numbers of the blocks in rising order, from 0 (16 channels of stride 2) to 10 (112
            of stride 16).

    Attributes:
        channels: channels of each of them.
        strides: sides in pixels of a cell of each.

    >>> import torch
    >>> pyramid = Lite0Pyramid((4, 10))
    >>> pyramid.channels, pyramid.strides
    ((40, 112), (8, 16))
    >>> [layer.shape for layer in pyramid(torch.zeros(1, 3, 32, 64))]
    [torch.Size([1, 40, 4, 8]), torch.Size([1, 112, 2, 4])]
    """

    def __init__(self, blocks: Sequence[int]) -> None:
        super().__init__()
        outputs = [stage.channels for stage in STAGES for _ in range(stage.blocks)]
        strides = [stage.stride if n == 0 else 1 for stage in STAGES for n in range(stage.blocks)]
        self.taken = frozenset(blocks)
        self.channels = tuple(outputs[block] for block in blocks)
        self.strides = tuple(2 * math.prod(strides[: block + 1]) for block in blocks)
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2)
        self.blocks = nn.ModuleList(list(lite0_blocks())[: blocks[-1] + 1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised [N,3,H,W] -> features [N,C,H/stride,W/stride] of each block."""
        x = F.relu6(self.stem(x))
        layers = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taken:
                layers.append(x)
        return layers


class DinoPyramid(nn.Module):
    """Tokens of some blocks of a DINOv2 with registers, frozen, each of length 1.

    Args:
        config: settings with the encoder `dinov2`.

    Attributes:
        channels: channels of each block.
        strides: sides in pixels of a cell of each.
    """

    def __init__(self, config: PatchCoreConfig) -> None:
        super().__init__()
        self.channels = (config.embed_dim,) * len(config.layers)
        self.strides = (14,) * len(config.layers)
        self.grid = config.height // 14, config.width // 14
        self.tokens = DinoEncoder(
            EncoderShape(config.embed_dim, config.encoder_heads, config.layers, self.grid)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised [N,3,H,W] -> features [N,C,H/14,W/14] of each block."""
        return [
            F.normalize(one, dim=-1, eps=LEAST_LENGTH).transpose(1, 2).unflatten(2, self.grid)
            for one in self.tokens(x)
        ]
