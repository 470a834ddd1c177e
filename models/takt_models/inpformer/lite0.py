"""The light encoder: EfficientNet-Lite0 up to its fourth stage, frozen, as tokens.

The paper's encoder is a DINOv2, which costs many times as much. Both give the rest of the model the
same: the outputs of eight blocks, of one grid and one width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN = 127 / 255
STD = 128 / 255
"""Mean and deviation by which EfficientNet-Lite normalises a picture in [0,1]."""

STEM_CHANNELS = 32


@dataclass(frozen=True)
class BlockStage:
    """Inverted residual blocks of one width.

    Attributes:
        blocks: number of blocks.
        channels: channels of their outputs.
        kernel: side of the depthwise convolutions.
        stride: stride of the first block.
        expansion: hidden channels of a block, as a multiple of its inputs.
    """

    blocks: int
    channels: int
    kernel: int
    stride: int
    expansion: int


STAGES = (
    BlockStage(1, 16, 3, 1, 1),
    BlockStage(2, 24, 3, 2, 6),
    BlockStage(2, 40, 5, 2, 6),
    BlockStage(3, 80, 3, 2, 6),
    BlockStage(3, 112, 5, 1, 6),
)
TOKEN_STAGES = (2, 3, 4)
BLOCKS = sum(STAGES[stage].blocks for stage in TOKEN_STAGES)
"""Blocks whose outputs become tokens: 2 of stride 8 and 6 of stride 16."""

FEATURES = sum(STAGES[stage].channels for stage in TOKEN_STAGES)
"""Channels of a token that the stages fill."""


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, for sides that its stride divides.

    Of an odd padding, the larger half lies at the bottom and at the right.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,H,W] -> [N,C',H/stride,W/stride]."""
        total = self.kernel_size[0] - self.stride[0]
        before, after = total // 2, total - total // 2
        if before == after:
            return F.conv2d(x, self.weight, self.bias, self.stride, before, 1, self.groups)
        return super().forward(F.pad(x, (before, after, before, after)))


class InvertedResidual(nn.Module):
    """Expanding, depthwise and projecting convolutions, with the batch norms in their weights."""

    def __init__(self, inputs: int, stage: BlockStage, stride: int) -> None:
        super().__init__()
        hidden = inputs * stage.expansion
        self.expand = nn.Conv2d(inputs, hidden, 1) if stage.expansion > 1 else None
        self.depthwise = SameConv(hidden, hidden, stage.kernel, stride, groups=hidden)
        self.project = nn.Conv2d(hidden, stage.channels, 1)
        self.residual = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,H,W] -> [N,C',H/stride,W/stride]."""
        hidden = x if self.expand is None else F.relu6(self.expand(x))
        out: Tensor = self.project(F.relu6(self.depthwise(hidden)))
        return x + out if self.residual else out


class Lite0Encoder(nn.Module):
    """The eight blocks of stages 2 to 4 (40, 80 and 112 channels), as tokens of 16 × 16 pixels.

    With SAME padding, cell j of stride s has its centre at pixel sj + s - 1. The centre of a token
    is at 16j + 7.5, half a token further up and left. So every output is averaged over the cells
    around the token's centre: 3 × 3 of stride 8, 2 × 2 of stride 16; both means lie at 16j + 7.

    Then each channel is standardised by its mean and deviation on pictures of good parts. Each
    stage has channels of its own, so that a mean over blocks holds the stages side by side. The
    channels after those of the stages are 0.

    Attributes:
        mean: means of the eight outputs' channels, one output after another, [656].
        std: deviations in the same order, [656]; never 0.

    >>> encoder = Lite0Encoder(embed_dim=FEATURES)
    >>> [tokens.shape for tokens in encoder(torch.zeros(1, 3, 32, 32))][0]
    torch.Size([1, 4, 232])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        if embed_dim < FEATURES:
            raise ValueError(
                f"embed_dim is {embed_dim}; the encoder lite0 needs at least {FEATURES}"
            )
        self.embed_dim = embed_dim
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2)
        self.blocks = nn.ModuleList(lite0_blocks())
        channels = sum(self.widths)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each of the eight outputs."""
        return tuple(s.channels for s in (STAGES[i] for i in TOKEN_STAGES) for _ in range(s.blocks))

    def pooled(self, x: Tensor) -> Iterator[Tensor]:
        """Normalised [N,3,H,W] -> the eight outputs [N,C,H/16,W/16], not yet standardised."""
        x = F.relu6(self.stem(x))
        first = len(self.blocks) - BLOCKS
        side = None
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index >= first:
                side = side or x.shape[-1]
                yield _pool_fine(x) if x.shape[-1] == side else _pool_coarse(x)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised [N,3,H,W] -> tokens [N,T,D] of the eight blocks, T = H/16 · W/16."""
        tokens = []
        means, stds = self.mean.split(self.widths), self.std.split(self.widths)
        for output, mean, std in zip(self.pooled(x), means, stds, strict=True):
            standard = (output.flatten(2).transpose(1, 2) - mean) / std
            tokens.append(self._in_slice(standard))
        return tuple(tokens)

    def _in_slice(self, standard: Tensor) -> Tensor:
        """[N,T,C] -> [N,T,D]: a stage's channels in their place, and 0 in the others."""
        channels = standard.shape[-1]
        widths = [STAGES[stage].channels for stage in TOKEN_STAGES]
        offset = sum(widths[: widths.index(channels)])
        return F.pad(standard, (offset, self.embed_dim - offset - channels))


def lite0_blocks() -> Iterable[InvertedResidual]:
    """Blocks of all stages, in order, with random weights."""
    inputs = STEM_CHANNELS
    for stage in STAGES:
        for index in range(stage.blocks):
            yield InvertedResidual(inputs, stage, stage.stride if index == 0 else 1)
            inputs = stage.channels


def _pool_fine(x: Tensor) -> Tensor:
    """Cells of stride 8 -> cells of stride 16, centred on tokens."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


def _pool_coarse(x: Tensor) -> Tensor:
    """Cells of stride 16 -> the same, centred on tokens."""
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, 1)
