"""From the tokens of encoder and decoder to the anomaly map and the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

OFFICIAL_MAP_SIDE = 256
SCORED_SHARE = 0.01
"""Share of the map's pixels, the highest ones, whose mean is the score."""

BLUR_SIZE = 5
BLUR_SIGMA = 4.0
COSINE_EPS = 1e-8

Border = Literal["zeros", "mirrored"]
"""What a blur finds beyond the border of a map."""


class Groups(NamedTuple):
    """Mean tokens [N,T,D] of each group of blocks, of the encoder and of the decoder."""

    encoder: tuple[Tensor, ...]
    decoder: tuple[Tensor, ...]


def mean_of(tensors: Sequence[Tensor]) -> Tensor:
    """The mean of tensors of one shape."""
    return reduce(torch.add, tensors) / len(tensors)


def distances_of(groups: Groups) -> Tensor:
    """The distances [N,G,T] of the groups' tokens: 1 - cos(encoder, decoder)."""
    distances = [
        1 - F.cosine_similarity(*pair, dim=-1, eps=COSINE_EPS)
        for pair in zip(groups.encoder, groups.decoder, strict=True)
    ]
    return torch.stack(distances, dim=1)


def enlarged(patch_map: Tensor, size: tuple[int, int]) -> Tensor:
    """A map [N,rows,columns] -> [N,H,W], corners on corners."""
    maps = patch_map.unsqueeze(1)
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True).squeeze(1)


def resized(anomaly_map: Tensor, size: tuple[int, int]) -> Tensor:
    """A map [N,H,W] -> [N,h,w], borders on borders."""
    maps = anomaly_map.unsqueeze(1)
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False).squeeze(1)


def blurred(anomaly_map: Tensor, kernel: Tensor, border: Border) -> Tensor:
    """A map [N,H,W] after a convolution with the kernel [1,1,k,k] -> [N,H,W]."""
    beyond = (BLUR_SIZE // 2,) * 4
    maps = anomaly_map.unsqueeze(1)
    padded = F.pad(maps, beyond) if border == "zeros" else F.pad(maps, beyond, mode="reflect")
    return F.conv2d(padded, kernel).squeeze(1)


def gaussian() -> Tensor:
    """The kernel [1,1,5,5] of the blur; its sum is 1."""
    # The device is named, so that a model built on the meta device has its constants.
    offsets = torch.arange(BLUR_SIZE, device="cpu") - BLUR_SIZE // 2
    line = torch.exp(-offsets.square() / (2 * BLUR_SIGMA**2))
    line = line / line.sum()
    return torch.outer(line, line).view(1, 1, BLUR_SIZE, BLUR_SIZE)


def pixel_constant(values: Sequence[float]) -> Tensor:
    """One number for each of R, G and B, as [1,3,1,1] on the CPU."""
    return torch.tensor(values, device="cpu").view(1, 3, 1, 1)


def mean_of_highest(values: Tensor) -> Tensor:
    """The values [N,n] of the pixels that count -> the mean [N] of their highest 1 %."""
    return values.topk(scored_among(values.shape[1]), dim=1).values.mean(1)


def scored_among(pixels: int) -> int:
    """Number of the highest of so many pixels whose mean is the score; at least 1.

    >>> scored_among(256 * 256)
    655
    """
    return max(1, int(pixels * SCORED_SHARE))


def official_map_size(input_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the map of the official code bases for an input of (height, width).

    It has 256 × 256 pixels; of another shape it has about as many, so that blur and score mean the
    same.

    >>> official_map_size((392, 392)), official_map_size((56, 140))
    ((256, 256), (162, 405))
    """
    height, width = input_size
    ratio = math.sqrt(height / width)
    return round(OFFICIAL_MAP_SIDE * ratio), round(OFFICIAL_MAP_SIDE / ratio)
