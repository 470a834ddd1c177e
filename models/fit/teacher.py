"""The teacher: a PDN that imitates EfficientNet-Lite0's features, distilled on any pictures.

The paper distils from a WideResNet-101 on ImageNet; here the backbone is one whose weights come
with a package, and each picture is cropped, flipped, turned and greyed anew, so that a thousand
pictures last. Made-up surfaces are mixed in, which photographs of things have few of.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from models.efficientad import IMAGENET_MEAN, IMAGENET_STD, PDN, TEACHER_CHANNELS, Size
from models.fit.backbone import CHANNELS, Lite0Features, aligned_targets
from models.fit.device import Compute, place, round_to_fp16
from models.fit.muon import Muon, others_than, suits_muon
from models.fit.pictures import Load
from models.fit.progress import CurvePoint, Progress, Resume
from models.fit.textures import texture
from models.fit.winograd import plain, winograd

SIDE = 256
GRID = 56
CROP = 128
CROP_GRID = 24
FEATURES = sum(CHANNELS)
HELD_OUT_TEXTURES = 40
"""Made-up surfaces on which the explained variance is measured, drawn by the first seeds."""


class TeacherError(ValueError):
    """The teacher to start from is of another kind than the one that was asked for."""


@dataclass(frozen=True)
class TeacherOptions:
    """How the teacher is distilled.

    Attributes:
        steps: optimiser steps.
        batch_size: crops of 128 × 128 in a step.
        learning_rate: of Muon and AdamW after warm-up, then cosine to 0.
        pool: augmented pictures kept at hand; each step replaces the oldest by a new one.
        seed: of crops, order and initial weights.
        held_out: share of the pictures on which the explained variance is measured.
        save_every: steps between states from which the fit can go on.
        size: PDN-S or PDN-M.
        textures: share of the examples that are made-up surfaces instead of pictures.
    """

    steps: int = 8000
    batch_size: int = 8
    learning_rate: float = 1e-3
    pool: int = 1500
    seed: int = 0
    held_out: float = 0.05
    save_every: int = 500
    size: Size = "small"
    textures: float = 0.3


@dataclass(frozen=True)
class FittedTeacher:
    """A teacher, its curve, and how much of the backbone's variance it explains.

    Attributes:
        network: of the backbone's 152 channels if small, of 384 if medium; its weights are exact
            in float16.
        curve: the loss and the explained variance, at each save.
        explained_variance: on held-out pictures, over both strides.
        explained_variance_of: the same by stride, and on made-up surfaces.
    """

    network: PDN
    curve: list[CurvePoint]
    explained_variance: float
    explained_variance_of: dict[str, float]


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
    start: PDN | None = None,
    quiet: bool = False,
) -> FittedTeacher:
    """Distil a PDN; an interrupted call with the same arguments goes on where it stopped.

    Args:
        pictures: any pictures, the more varied the better.
        load: reads one as RGB uint8 [H,W,3].
        output: the file that will be written by the caller; the state is kept beside it.
        options: see there.
        compute: device and precision.
        start: a teacher of the same kind to go on from, instead of random weights.
        quiet: show no progress bar.

    Raises:
        TeacherError: `start` is of another size or has other channels.
        ResumeMismatchError: an interrupted fit at `output` had other options.
    """
    torch.manual_seed(options.seed)
    network = place(_untrained(options, start), compute.device)
    if compute.device.type == "cpu" and not compute.bf16:
        winograd(network)
    muon = Muon(suits_muon(network.children()), options.learning_rate)
    adam = torch.optim.AdamW(
        others_than(muon, network.parameters()), lr=options.learning_rate, fused=True
    )
    resume = Resume(
        output,
        {**asdict(options), **_fingerprint(pictures, start)},
        {"network": network, "muon": muon, "adam": adam},
    )
    done, curve = resume.load()

    source = _Source(pictures, load, options, compute)
    pool = source.pool_before(done)
    turn = _turn().to(compute.device)

    def turned(targets: Tensor) -> Tensor:
        if options.size == "small":
            return targets
        return torch.einsum("oc,nchw->nohw", turn, targets)

    progress = Progress("teacher", options, done=done, quiet=quiet)
    average = curve[-1].figures["loss"] if curve else math.nan
    for step in progress:
        pool.append(source.example(options.batch_size + step))
        images, targets = _batch(pool, options, step, compute)
        with compute.autocast():
            features = network(images)
        loss = F.mse_loss(features.float(), turned(targets)) * (features.shape[1] / FEATURES)
        for optimizer in (muon, adam):
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in (muon, adam):
            optimizer.param_groups[0]["lr"] = options.learning_rate * _cosine(step, options.steps)
            optimizer.step()
        average = loss.item() if math.isnan(average) else 0.99 * average + 0.01 * loss.item()
        if step % 20 == 0:
            progress.show(loss=average)
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            held_out = source.explained_variance(network)
            figures = {"held_out_r2": held_out["all"], "textures_r2": held_out["textures"]}
            curve.append(CurvePoint(step + 1, {"loss": average, **figures}))
            resume.save(step + 1, curve)

    round_to_fp16(network)
    explained = source.explained_variance(network)
    network = place(plain(network), torch.device("cpu"), torch.contiguous_format)
    return FittedTeacher(network, curve, explained.pop("all"), explained)


def _fingerprint(pictures: Sequence[Path], start: PDN | None) -> dict[str, str]:
    names = b"\n".join(os.fsencode(path.name) for path in pictures)
    weights = [] if start is None else list(start.state_dict().values())
    contents = {
        "pictures": names,
        "start": b"".join(value.cpu().numpy().tobytes() for value in weights),
    }
    return {key: hashlib.sha256(content).hexdigest() for key, content in contents.items()}


def _cosine(step: int, steps: int) -> float:
    """The share of the learning rate at `step` (from 0): up in the first steps, then down to 0."""
    warm_up = min(200, steps // 10 + 1)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


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
        doubled = _augment(self._drawn(number, draw), draw)
        return self._example(doubled)

    def _drawn(self, number: int, draw: np.random.Generator) -> Tensor:
        """A picture [3,H,W] in [0,1], one of those that are fitted or a made-up surface."""
        if draw.random() < self._options.textures:
            return _as_image(texture(HELD_OUT_TEXTURES + number))
        return self._read(self._fitted[int(draw.integers(len(self._fitted)))])

    def explained_variance(self, network: PDN) -> dict[str, float]:
        """1 - MSE / mean square of the targets, on held-out examples that are not augmented."""
        pictures = self._explained(network, (self._read(path) for path in self._held_out))
        drawn = (_as_image(texture(seed)) for seed in range(HELD_OUT_TEXTURES))
        return {
            "all": _share(pictures, slice(None)),
            "stride 8": _share(pictures, slice(CHANNELS[0])),
            "stride 16": _share(pictures, slice(CHANNELS[0], None)),
            "textures": _share(self._explained(network, drawn), slice(None)),
        }

    def _explained(self, network: PDN, images: Iterable[Tensor]) -> _Explained:
        errors, spread = torch.zeros(FEATURES), torch.zeros(FEATURES)
        for image in images:
            example = self._example(_square(image))
            x = _normalize(example.image[None].to(self._compute.device).float() / 255)
            with torch.no_grad(), self._compute.autocast():
                features = self._unturned(network(x)[0].float().cpu())
            target = example.target.float()
            errors += (features - target).square().mean((1, 2))
            spread += target.square().mean((1, 2))
        return _Explained(errors, spread)

    def _unturned(self, features: Tensor) -> Tensor:
        """What a PDN-M says of the backbone's channels."""
        if len(features) == FEATURES:
            return features
        return torch.einsum("oc,ohw->chw", _turn(), features)

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
        return _as_image(self._load(path))

    def _example(self, doubled: Tensor) -> _Example:
        image = F.avg_pool2d(doubled[None], 2)[0]
        target = (self._targets(doubled) - self._mean) / self._std
        return _Example((image * 255).round().byte(), target.half())

    def _targets(self, doubled: Tensor) -> Tensor:
        images = doubled[None].to(self._compute.device, memory_format=torch.channels_last)
        with torch.no_grad(), self._compute.autocast():
            features = self._backbone(images)
        return aligned_targets(features, GRID)[0].cpu()


@dataclass(frozen=True)
class _Explained:
    """Sums over examples for each of the backbone's channels: squared errors, squared targets."""

    errors: Tensor
    spread: Tensor


def _share(explained: _Explained, channels: slice) -> float:
    return 1 - (explained.errors[channels].sum() / explained.spread[channels].sum()).item()


def _as_image(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


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


def _untrained(options: TeacherOptions, start: PDN | None) -> PDN:
    # The last but one convolution of PDN-M has as many channels as its last, and needs them all.
    channels = FEATURES if options.size == "small" else TEACHER_CHANNELS
    network = PDN(options.size, channels)
    if start is not None:
        try:
            network.load_state_dict(start.state_dict())
        except RuntimeError:
            raise TeacherError(
                f"the teacher to start from is no PDN of size {options.size} with {channels} "
                "channels: give one that `takt fit teacher` distilled with the same --size"
            ) from None
    return network


def _turn() -> Tensor:
    """Orthonormal columns [384,152]: more channels, the same distances."""
    generator = torch.Generator().manual_seed(0)
    turn: Tensor = torch.linalg.qr(torch.randn(TEACHER_CHANNELS, FEATURES, generator=generator)).Q
    return turn
