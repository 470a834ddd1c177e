"""The pictures that the steps of a fit see: their order, and how each is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from takt_models.fit.variation import varied

Load = Callable[[Path], "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]"]
"""A function that reads a picture as RGB uint8 [H,W,3]."""

JITTER = 0.2
GREY_SHARE = 0.3
PICTURES_IN_MEMORY = 4096


@dataclass
class TrainingPictures:
    """Pictures of good parts; one seed gives the same pictures at the same steps.

    Attributes:
        paths: at least one file.
        load: reads a picture as RGB uint8 [H,W,3]; the pictures are kept in memory.
        seed: seed of order and jitter.
        device: device of the pictures.
        variety: share of the steps whose picture is mirrored, scaled and shifted.

    >>> grey = np.full((4, 4, 3), 128, np.uint8)
    >>> pictures = TrainingPictures([Path("a.png")], lambda path: grey, 0, torch.device("cpu"))
    >>> pictures.at(step=7).shape
    torch.Size([1, 3, 4, 4])
    """

    paths: Sequence[Path]
    load: Load
    seed: int
    device: torch.device
    variety: float = 0.0

    def __post_init__(self) -> None:
        self.load = lru_cache(PICTURES_IN_MEMORY)(self.load)

    def at(self, step: int) -> Tensor:
        """The picture of a step, varied and jittered: RGB [1,3,H,W] in [0,1].

        Each picture comes once in an epoch.
        """
        epoch, turn = divmod(step, len(self.paths))
        order = np.random.default_rng((self.seed, 1, epoch)).permutation(len(self.paths))
        image = as_image(self.load(self.paths[int(order[turn])]), self.device)
        otherwise = np.random.default_rng((self.seed, 5, step))
        if otherwise.random() < self.variety:
            image = varied(image, otherwise)
        return jitter(image, np.random.default_rng((self.seed, 2, step)))

    def plain(self) -> Iterator[Tensor]:
        """Yields each picture once, in order, unchanged: RGB [1,3,H,W] in [0,1]."""
        for path in self.paths:
            yield as_image(self.load(path), self.device)


@dataclass(frozen=True)
class OtherPictures:
    """Crops of pictures of anything else; one seed gives the same crops at the same steps.

    Attributes:
        paths: at least one file.
        load: reads a picture as RGB uint8 [H,W,3].
        size: side of the crops in pixels.
        share: height and width of the crops over those of their pictures.
        seed: seed of choice and crop.
        device: device of the crops.
    """

    paths: Sequence[Path]
    load: Load
    size: int
    share: float
    seed: int
    device: torch.device

    def at(self, step: int) -> Tensor:
        """The crop of a step, RGB [1,3,size,size] in [0,1]."""
        draw = np.random.default_rng((self.seed, 4, step))
        picture = self.load(self.paths[int(draw.integers(len(self.paths)))])
        return penalty_crop(as_image(picture, self.device), self.size, self.share, draw)


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
    """A random window of any picture, resized to a square; grey with a probability of 0.3.

    The paper resizes the picture to 512 × 512 and crops 256 × 256: a share of 0.5.

    Args:
        image: RGB [1,3,H,W] in [0,1].
        size: side of the result in pixels.
        share: height and width of the window over those of the picture, above 0 and at most 1.
        draw: source of the window's place and of the choice of grey.

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


def as_image(picture: NDArray[np.uint8], device: torch.device) -> Tensor:
    """RGB uint8 [H,W,3] -> RGB [1,3,H,W] in [0,1] on a device."""
    return torch.from_numpy(picture).to(device).permute(2, 0, 1)[None].float() / 255
