"""The light encoder: EfficientNet-Lite0 up to its fourth stage, frozen, as tokens.

It is not the paper's, which is a DINOv2, but costs a fraction of it. The rest
of the model takes it as it takes the other: eight block outputs of one grid and one width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN = 127 / 255
STD = 128 / 255
"""What EfficientNet-Lite takes away from, and divides, a picture in [0,1] by."""

STEM_CHANNELS = 32


@dataclass(frozen=True)
class Stage:
    """Inverted residual blocks of one width.

    Attributes:
        blocks: how many.
        channels: of their outputs.
        kernel: side of the depthwise convolutions.
        stride: of the first one.
        expansion: hidden channels as a multiple of a block's inputs.
    """

    blocks: int
    channels: int
    kernel: int
    stride: int
    expansion: int


STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(2, 24, 3, 2, 6),
    Stage(2, 40, 5, 2, 6),
    Stage(3, 80, 3, 2, 6),
    Stage(3, 112, 5, 1, 6),
)
TOKEN_STAGES = (2, 3, 4)
BLOCKS = sum(STAGES[stage].blocks for stage in TOKEN_STAGES)
"""Block outputs that become tokens: 2 of stride 8, 6 of stride 16."""

FEATURES = sum(STAGES[stage].channels for stage in TOKEN_STAGES)
"""Channels of the stages' slices together."""


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding for sides that its stride divides.

    An odd rest of padding lies at the bottom and at the right.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,H,W] -> [N,C',H/stride,W/stride]."""
        total = self.kernel_size[0] - self.stride[0]
        before, after = total // 2, total - total // 2
        if before == after:
            return F.conv2d(x, self.weight, self.bias, self.stride, before, 1, self.groups)
        return super().forward(F.pad(x, (before, after, before, after)))


class InvertedResidual(nn.Module):
    """Expand (where it widens), depthwise, project; batch norms are folded into the weights."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
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

    With SAME padding, cell j of stride s has its centre at pixel sj + s - 1, half a token down and
    right of where a token's own centre is, 16j + 7.5. So every output is averaged over the cells
    around there: 3 × 3 of stride 8, 2 × 2 of stride 16; both lie at 16j + 7.

    Then each channel is standardised by its mean and deviation on pictures of good parts, and each
    stage has channels of its own, so that a mean over blocks holds several stages side by side.
    Channels after those are 0.

    Attributes:
        mean: of the eight outputs' channels one after another, [656].
        std: likewise; never 0.
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
        self.blocks = nn.ModuleList(_blocks())
        channels = sum(self.widths)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each of the eight outputs."""
        return tuple(s.channels for s in (STAGES[i] for i in TOKEN_STAGES) for _ in range(s.blocks))

    def pooled(self, x: Tensor) -> Iterator[Tensor]:
        """Normalised [N,3,H,W] -> the eight outputs [N,C,H/16,W/16], not standardised."""
        x = F.relu6(self.stem(x))
        first = len(self.blocks) - BLOCKS
        side = None
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index >= first:
                side = side or x.shape[-1]
                yield _pool_fine(x) if x.shape[-1] == side else _pool_coarse(x)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised [N,3,H,W] -> eight times tokens [N,T,D], T = H/16 · W/16."""
        tokens = []
        means, stds = self.mean.split(self.widths), self.std.split(self.widths)
        for output, mean, std in zip(self.pooled(x), means, stds, strict=True):
            standard = (output.flatten(2).transpose(1, 2) - mean) / std
            tokens.append(self._in_slice(standard))
        return tuple(tokens)

    def _in_slice(self, standard: Tensor) -> Tensor:
        """[N,T,C] -> [N,T,D], zero but for the channels of its stage."""
        channels = standard.shape[-1]
        offset = 0
        for stage in TOKEN_STAGES:
            if STAGES[stage].channels == channels:
                break
            offset += STAGES[stage].channels
        return F.pad(standard, (offset, self.embed_dim - offset - channels))


def _blocks() -> Iterable[InvertedResidual]:
    inputs = STEM_CHANNELS
    for stage in STAGES:
        for index in range(stage.blocks):
            yield InvertedResidual(inputs, stage, stage.stride if index == 0 else 1)
            inputs = stage.channels


def _pool_fine(x: Tensor) -> Tensor:
    """Cells of stride 8 -> tokens."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


def _pool_coarse(x: Tensor) -> Tensor:
    """Cells of stride 16 -> tokens."""
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, 1)
