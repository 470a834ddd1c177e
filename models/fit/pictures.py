"""The pictures that each step of a fit sees: which one, and how it is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.fit.variation import varied

Load = Callable[[Path], "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]"]
"""Reads a picture as RGB uint8 [H,W,3]."""

JITTER = 0.2
GREY_SHARE = 0.3
PICTURES_IN_MEMORY = 4096


class GoodPictures:
    """Pictures of good parts, the same in each step for one seed.

    Args:
        paths: at least one.
        load: reads one as RGB uint8 [S,S,3].
        seed: of order and jitter.
        device: where the pictures go.
        variety: share of the steps whose picture is mirrored, scaled and shifted.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        load: Load,
        seed: int,
        device: torch.device,
        variety: float = 0.0,
    ) -> None:
        self.paths = paths
        self._load = lru_cache(PICTURES_IN_MEMORY)(load)
        self._seed = seed
        self._device = device
        self._variety = variety

    def at(self, step: int) -> Tensor:
        """This step's picture, varied and jittered: RGB [1,3,S,S] in [0,1]; an epoch has all."""
        epoch, turn = divmod(step, len(self.paths))
        order = np.random.default_rng((self._seed, 1, epoch)).permutation(len(self.paths))
        image = _as_image(self._load(self.paths[int(order[turn])]), self._device)
        otherwise = np.random.default_rng((self._seed, 5, step))
        if otherwise.random() < self._variety:
            image = varied(image, otherwise)
        return jitter(image, np.random.default_rng((self._seed, 2, step)))

    def plain(self) -> Iterator[Tensor]:
        """Each picture once, in order, unchanged: RGB [1,3,S,S] in [0,1]."""
        for path in self.paths:
            yield _as_image(self._load(path), self._device)


class OtherPictures:
    """Crops of pictures of anything else, the same in each step for one seed.

    Args:
        paths: at least one.
        load: reads one as RGB uint8 [H,W,3].
        size: side of the crops in pixels.
        share: the crops' height and width over the pictures' own.
        seed: of choice and crop.
        device: where the crops go.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        load: Load,
        size: int,
        share: float,
        seed: int,
        device: torch.device,
    ) -> None:
        self._paths = paths
        self._load = load
        self._size = size
        self._share = share
        self._seed = seed
        self._device = device

    def at(self, step: int) -> Tensor:
        """The crop of this step, RGB [1,3,size,size] in [0,1]."""
        draw = np.random.default_rng((self._seed, 4, step))
        picture = self._load(self._paths[int(draw.integers(len(self._paths)))])
        return penalty_crop(_as_image(picture, self._device), self._size, self._share, draw)


def jitter(images: Tensor, draw: np.random.Generator) -> Tensor:
    """RGB [N,3,H,W] in [0,1], with brightness, contrast or saturation times U(0.8, 1.2)."""
    factor = float(draw.uniform(1 - JITTER, 1 + JITTER))
    kind = int(draw.integers(3))
    if kind == 0:
        return (images * factor).clamp(0, 1)
    still = grey(images)
    if kind == 1:
        still = still.mean((1, 2, 3), keepdim=True)
    return torch.lerp(still.expand_as(images), images, factor).clamp(0, 1)


def grey(images: Tensor) -> Tensor:
    """RGB [N,3,H,W] -> luma [N,1,H,W] (ITU-R 601)."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def penalty_crop(image: Tensor, size: int, share: float, draw: np.random.Generator) -> Tensor:
    """A random window of any picture, resized to a square; in grey with p = 0.3.

    The paper resizes the picture to 512 × 512 and crops 256 × 256: a share of 0.5.

    Args:
        image: RGB [1,3,H,W] in [0,1].
        size: side of the result in pixels.
        share: the window's height and width over the picture's, above 0 and at most 1.
        draw: decides where, and whether in grey.

    Returns:
        RGB [1,3,size,size] in [0,1].
    """
    height, width = image.shape[-2:]
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    top = int(draw.integers(height - rows + 1))
    left = int(draw.integers(width - columns + 1))
    window = image[:, :, top : top + rows, left : left + columns]
    crop = F.interpolate(window, size=(size, size), mode="bilinear", antialias=True).clamp(0, 1)
    return grey(crop).expand_as(crop) if draw.random() < GREY_SHARE else crop


def _as_image(
    picture: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]], device: torch.device
) -> Tensor:
    return torch.from_numpy(picture).to(device).permute(2, 0, 1)[None].float() / 255
