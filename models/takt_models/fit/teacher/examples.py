"""The examples of a distillation: crops of pictures and surfaces, with the backbone's features."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD
from takt_models.efficientad.config import TEACHER_CHANNELS
from takt_models.efficientad.detector import PDN
from takt_models.fit.backbone import CHANNELS, Lite0Features, aligned_targets
from takt_models.fit.device import Compute, place
from takt_models.fit.pictures import Load, as_image
from takt_models.fit.teacher.options import TeacherOptions
from takt_models.fit.teacher.textures import texture

SIDE = 256
GRID = 56
CROP = 128
CROP_GRID = 24
FEATURES = sum(CHANNELS)
STATISTICS_PICTURES = 100
"""Augmented pictures on which the backbone's channels are scaled."""

HELD_OUT_TEXTURES = 40
"""Made-up surfaces of the first seeds, on which the explained variance is measured."""


@dataclass(frozen=True)
class Example:
    """A picture, uint8 [3,256,256], and the targets of PDN's outputs, float16 [152,56,56]."""

    image: Tensor
    target: Tensor


class Examples:
    """Examples of one seed: augmented pictures with the backbone's normalised features.

    Args:
        pictures: pictures of which some are held out.
        load: reads a picture as RGB uint8 [H,W,3].
        options: seed, shares and pool of the distillation.
        compute: device and precision of the backbone.

    Raises:
        ValueError: there are fewer than two pictures.
    """

    def __init__(
        self, pictures: Sequence[Path], load: Load, options: TeacherOptions, compute: Compute
    ) -> None:
        order = np.random.default_rng((options.seed, 0)).permutation(len(pictures))
        held_out = max(1, round(options.held_out * len(pictures)))
        self._held_out = [pictures[int(i)] for i in order[:held_out]]
        self._fitted = [pictures[int(i)] for i in order[held_out:]]
        if not self._fitted:
            raise ValueError("distilling a teacher needs at least two pictures")
        self._load = load
        self._options = options
        self._compute = compute
        self._backbone = place(Lite0Features(), compute.device)
        self._mean, self._std = self._statistics()

    def pool_before(self, step: int) -> deque[Example]:
        """The pool as it was before `step`, so that a resumed fit sees the same examples."""
        newest = self._options.batch_size + step
        pool: deque[Example] = deque(maxlen=self._options.pool)
        for number in range(max(0, newest - self._options.pool), newest):
            pool.append(self.example(number))
        return pool

    def example(self, number: int) -> Example:
        """The example of a number, always the same for one seed."""
        draw = np.random.default_rng((self._options.seed, 1, number))
        doubled = _augment(self._drawn(number, draw), draw)
        return self._example(doubled)

    def _drawn(self, number: int, draw: np.random.Generator) -> Tensor:
        """A picture [3,H,W] in [0,1]: a fitted one or a made-up surface."""
        if draw.random() < self._options.textures:
            return _as_image(texture(HELD_OUT_TEXTURES + number))
        return self._read(self._fitted[int(draw.integers(len(self._fitted)))])

    def explained_variance(self, network: PDN) -> dict[str, float]:
        """1 - MSE / mean square of the targets, on held-out examples without augmentation."""
        pictures = self._explained(network, (self._read(path) for path in self._held_out))
        drawn = (_as_image(texture(seed)) for seed in range(HELD_OUT_TEXTURES))
        return {
            "all": _share(*pictures, slice(None)),
            "stride 8": _share(*pictures, slice(CHANNELS[0])),
            "stride 16": _share(*pictures, slice(CHANNELS[0], None)),
            "textures": _share(*self._explained(network, drawn), slice(None)),
        }

    def _explained(self, network: PDN, images: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
        """Sums over images for each of the backbone's channels: squared errors, squared targets."""
        errors, spread = torch.zeros(FEATURES), torch.zeros(FEATURES)
        for image in images:
            example = self._example(_square(image))
            x = normalized(example.image[None].to(self._compute.device).float() / 255)
            with torch.no_grad(), self._compute.autocast():
                features = self._unturned(network(x)[0].float().cpu())
            target = example.target.float()
            errors += (features - target).square().mean((1, 2))
            spread += target.square().mean((1, 2))
        return errors, spread

    def _unturned(self, features: Tensor) -> Tensor:
        """The outputs of a PDN-M, turned back to the backbone's channels."""
        if len(features) == FEATURES:
            return features
        return torch.einsum("oc,ohw->chw", turn(), features)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each backbone channel over augmented pictures."""
        sums, squares = torch.zeros(FEATURES), torch.zeros(FEATURES)
        count = STATISTICS_PICTURES
        for number in range(count):
            draw = np.random.default_rng((self._options.seed, 3, number))
            path = self._fitted[int(draw.integers(len(self._fitted)))]
            raw = self._targets(_augment(self._read(path), draw))
            sums += raw.mean((1, 2))
            squares += raw.square().mean((1, 2))
        mean = sums / count
        std = (squares / count - mean.square()).sqrt()
        return mean[:, None, None], std[:, None, None]

    def _read(self, path: Path) -> Tensor:
        return _as_image(self._load(path))

    def _example(self, doubled: Tensor) -> Example:
        image = F.avg_pool2d(doubled[None], 2)[0]
        target = (self._targets(doubled) - self._mean) / self._std
        return Example((image * 255).round().byte(), target.half())

    def _targets(self, doubled: Tensor) -> Tensor:
        images = doubled[None].to(self._compute.device, memory_format=torch.channels_last)
        with torch.no_grad(), self._compute.autocast():
            features = self._backbone(images)
        return aligned_targets(features, GRID)[0].cpu()


def _share(errors: Tensor, spread: Tensor, channels: slice) -> float:
    return 1 - (errors[channels].sum() / spread[channels].sum()).item()


def _as_image(picture: NDArray[np.uint8]) -> Tensor:
    return as_image(picture, torch.device("cpu"))[0]


def _square(image: Tensor) -> Tensor:
    """A whole picture [3,H,W] -> [3,512,512], at twice the scale of the networks."""
    size = (2 * SIDE, 2 * SIDE)
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def _augment(image: Tensor, draw: np.random.Generator) -> Tensor:
    """Crops, flips, turns, greys and relights [3,H,W] in [0,1] -> [3,512,512]."""
    _, height, width = image.shape
    share = float(draw.uniform(0.08, 1.0))
    ratio = math.exp(float(draw.uniform(-0.3, 0.3)))
    side = math.sqrt(share) * min(height, width)
    rows = min(height, max(32, round(side * ratio)))
    columns = min(width, max(32, round(side / ratio)))
    top = int(draw.integers(0, height - rows + 1))
    left = int(draw.integers(0, width - columns + 1))
    crop = _square(image[:, top : top + rows, left : left + columns])
    if draw.random() < 0.5:
        crop = crop.flip(2)
    crop = torch.rot90(crop, int(draw.integers(4)), (1, 2))
    if draw.random() < 0.35:
        crop = (crop * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)
        crop = crop.expand(3, -1, -1)
    contrast, brightness = (float(v) for v in draw.uniform((0.5, -0.2), (1.3, 0.2)))
    middle = crop.mean()
    return ((crop - middle) * contrast + middle + brightness).clamp(0, 1).contiguous()


def normalized(images: Tensor) -> Tensor:
    """RGB [N,3,H,W] in [0,1] -> network input, without ImageNet's mean and deviation."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=images.device).view(1, 3, 1, 1)
    return (images - mean) / std


def batch(
    pool: deque[Example], options: TeacherOptions, step: int, compute: Compute
) -> tuple[Tensor, Tensor]:
    """Random 128 × 128 crops of a step, and the targets of the 24 × 24 outputs on them."""
    draw = np.random.default_rng((options.seed, 2, step))
    images, targets = [], []
    for _ in range(options.batch_size):
        example = pool[int(draw.integers(len(pool)))]
        row, column = (int(v) for v in draw.integers(0, GRID - CROP_GRID + 1, 2))
        images.append(example.image[:, 4 * row : 4 * row + CROP, 4 * column : 4 * column + CROP])
        targets.append(example.target[:, row : row + CROP_GRID, column : column + CROP_GRID])
    stacked = torch.stack(images).to(compute.device).float() / 255
    return (
        normalized(stacked).contiguous(memory_format=torch.channels_last),
        torch.stack(targets).to(compute.device).float(),
    )


def turn() -> Tensor:
    """Orthonormal columns [384,152], which give more channels and keep distances."""
    generator = torch.Generator().manual_seed(0)
    turn: Tensor = torch.linalg.qr(torch.randn(TEACHER_CHANNELS, FEATURES, generator=generator)).Q
    return turn
