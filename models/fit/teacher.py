"""The teacher: a PDN-S that imitates EfficientNet-Lite0's features, distilled on any pictures.

The paper distils from a WideResNet-101 on ImageNet; here the backbone is one whose weights come
with a package, and each picture is cropped, flipped, turned and greyed anew, so that a thousand
pictures last.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.efficientad import IMAGENET_MEAN, IMAGENET_STD, PDN, TEACHER_CHANNELS
from models.fit.backbone import CHANNELS, Lite0Features, aligned_targets
from models.fit.device import Compute, place, round_to_fp16
from models.fit.pictures import Load
from models.fit.progress import CurvePoint, Progress, Resume

SIDE = 256
GRID = 56
CROP = 128
CROP_GRID = 24
FEATURES = sum(CHANNELS)


@dataclass(frozen=True)
class TeacherOptions:
    """How the teacher is distilled.

    Attributes:
        steps: optimiser steps.
        batch_size: crops of 128 × 128 in a step.
        learning_rate: of AdamW after warm-up, then cosine to 0.
        pool: augmented pictures kept at hand; each step replaces the oldest by a new one.
        seed: of crops, order and initial weights.
        held_out: share of the pictures on which the explained variance is measured.
        save_every: steps between states from which the fit can go on.
    """

    steps: int = 8000
    batch_size: int = 8
    learning_rate: float = 1e-3
    pool: int = 1500
    seed: int = 0
    held_out: float = 0.05
    save_every: int = 500


@dataclass(frozen=True)
class FittedTeacher:
    """A teacher of 384 channels, its curve and its explained variance on held-out pictures."""

    network: PDN
    curve: list[CurvePoint]
    explained_variance: float
    explained_variance_by_stride: dict[str, float]


@dataclass(frozen=True)
class _Example:
    image: Tensor
    """uint8 [3,256,256]"""
    target: Tensor
    """float16 [152,56,56]"""


def fit_teacher(
    pictures: Sequence[Path],
    load: Load,
    output: Path,
    options: TeacherOptions,
    compute: Compute,
    *,
    quiet: bool = False,
) -> FittedTeacher:
    """Distil a PDN-S; an interrupted call with the same arguments goes on where it stopped.

    Args:
        pictures: any pictures, the more varied the better.
        load: reads one as RGB uint8 [H,W,3].
        output: the file that will be written by the caller; the state is kept beside it.
        options: see there.
        compute: device and precision.
        quiet: show no progress bar.

    Returns:
        The teacher, its weights rounded to float16.
    """
    torch.manual_seed(options.seed)
    network = place(PDN("small", FEATURES), compute.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, fused=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(options.steps))
    resume = Resume(
        output,
        {**asdict(options), "pictures": len(pictures)},
        {"network": network, "optimizer": optimizer, "scheduler": scheduler},
    )
    done, curve = resume.load()

    source = _Source(pictures, load, options, compute)
    pool = source.pool_before(done)
    progress = Progress("teacher", options.steps, done=done, quiet=quiet)
    average = math.nan
    for step in progress:
        pool.append(source.example(options.batch_size + step))
        images, targets = _batch(pool, options, step, compute)
        with compute.autocast():
            features = network(images)
        loss = F.mse_loss(features.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
        average = loss.item() if math.isnan(average) else 0.99 * average + 0.01 * loss.item()
        if step % 20 == 0:
            progress.show(loss=average)
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            held_out = source.explained_variance(network)
            curve.append(CurvePoint(step + 1, {"loss": average, "held_out_r2": held_out["all"]}))
            resume.save(step + 1, curve)

    expanded = _expand(network.cpu(), options.seed)
    round_to_fp16(expanded)
    by_stride = source.explained_variance(network.to(compute.device))
    return FittedTeacher(expanded, curve, by_stride.pop("all"), by_stride)


def _cosine(steps: int) -> Callable[[int], float]:
    warm_up = min(200, steps // 10 + 1)

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))

    return factor


def _batch(
    pool: deque[_Example], options: TeacherOptions, step: int, compute: Compute
) -> tuple[Tensor, Tensor]:
    """Random 128 × 128 crops and what the 24 × 24 outputs on them should be."""
    draw = np.random.default_rng((options.seed, 2, step))
    images, targets = [], []
    for _ in range(options.batch_size):
        example = pool[int(draw.integers(len(pool)))]
        row, column = (int(v) for v in draw.integers(0, GRID - CROP_GRID + 1, 2))
        images.append(example.image[:, 4 * row : 4 * row + CROP, 4 * column : 4 * column + CROP])
        targets.append(example.target[:, row : row + CROP_GRID, column : column + CROP_GRID])
    stacked = torch.stack(images).to(compute.device).float() / 255
    return (
        _normalize(stacked).contiguous(memory_format=torch.channels_last),
        torch.stack(targets).to(compute.device).float(),
    )


class _Source:
    """Makes examples: a picture, augmented, with the backbone's normalised features."""

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

    def pool_before(self, step: int) -> deque[_Example]:
        """The pool as it was before `step`: a resumed fit sees the same examples."""
        newest = self._options.batch_size + step
        pool: deque[_Example] = deque(maxlen=self._options.pool)
        for number in range(max(0, newest - self._options.pool), newest):
            pool.append(self.example(number))
        return pool

    def example(self, number: int) -> _Example:
        """The `number`-th example of this seed, always the same."""
        draw = np.random.default_rng((self._options.seed, 1, number))
        doubled = _augment(self._read(self._fitted[int(draw.integers(len(self._fitted)))]), draw)
        return self._example(doubled)

    def explained_variance(self, network: PDN) -> dict[str, float]:
        """1 - MSE / mean square of the targets, on the held-out pictures, not augmented."""
        errors, spread = torch.zeros(FEATURES), torch.zeros(FEATURES)
        for path in self._held_out:
            example = self._example(_square(self._read(path)))
            image = _normalize(example.image[None].to(self._compute.device).float() / 255)
            with torch.no_grad(), self._compute.autocast():
                features = network(image)[0].float().cpu()
            target = example.target.float()
            errors += (features - target).square().mean((1, 2))
            spread += target.square().mean((1, 2))
        first = CHANNELS[0]
        return {
            "all": 1 - (errors.sum() / spread.sum()).item(),
            "stride 8": 1 - (errors[:first].sum() / spread[:first].sum()).item(),
            "stride 16": 1 - (errors[first:].sum() / spread[first:].sum()).item(),
        }

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each backbone channel over 100 augmented pictures."""
        sums, squares = torch.zeros(FEATURES), torch.zeros(FEATURES)
        count = 100
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
        return torch.from_numpy(self._load(path)).permute(2, 0, 1).float() / 255

    def _example(self, doubled: Tensor) -> _Example:
        image = F.avg_pool2d(doubled[None], 2)[0]
        target = (self._targets(doubled) - self._mean) / self._std
        return _Example((image * 255).round().byte(), target.half())

    def _targets(self, doubled: Tensor) -> Tensor:
        images = doubled[None].to(self._compute.device, memory_format=torch.channels_last)
        with torch.no_grad(), self._compute.autocast():
            features = self._backbone(images)
        return aligned_targets(features, GRID)[0].cpu()


def _square(image: Tensor) -> Tensor:
    """A whole picture [3,H,W] as [3,512,512], at twice the networks' scale."""
    size = (2 * SIDE, 2 * SIDE)
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def _augment(image: Tensor, draw: np.random.Generator) -> Tensor:
    """Crop, flip, turn, grey and relight [3,H,W] in [0,1] -> [3,512,512]."""
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


def _normalize(images: Tensor) -> Tensor:
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=images.device).view(1, 3, 1, 1)
    return (images - mean) / std


def _expand(network: PDN, seed: int) -> PDN:
    """The same network with 384 outputs: an orthonormal turn, so that distances stay."""
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(TEACHER_CHANNELS, FEATURES, generator=generator)).Q
    weights = network.state_dict()
    weights["conv4.weight"] = torch.einsum("oc,cihw->oihw", turn, weights["conv4.weight"])
    weights["conv4.bias"] = turn @ weights["conv4.bias"]
    expanded = PDN("small", TEACHER_CHANNELS)
    expanded.load_state_dict(weights)
    return expanded
