"""Vectors of pictures, the bank chosen from them, and the distances to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.patchcore.blocks import STRIDES
from benchmarks.patchcore.setting import Setting

PROJECTED = 64
PICTURES_AT_ONCE = 8
SCALED_ON = 60


@dataclass(frozen=True)
class Maps:
    """Distance maps of a set.

    Attributes:
        good: [N,h,w], each picture against the banks of the other folds.
        tested: [M,h,w], against the whole bank.
    """

    good: NDArray[np.float32]
    tested: NDArray[np.float32]


@torch.inference_mode()
def measure(
    outputs: Mapping[str, NDArray[np.float16]], good: int, setting: Setting, scored: int = 0
) -> Maps:
    """Maps of good pictures and of the tested ones.

    Args:
        outputs: of the good pictures, then of the tested ones.
        good: number of good pictures.
        setting: of the bank.
        scored: good pictures, the first ones, that have a map; 0 for all.
    """
    if setting.groups:
        return _of_groups(outputs, good, setting, scored)
    joined = Joined(outputs, setting)
    joined.fit(good)
    if setting.scale == "residual":
        joined.fit_residuals(good)
    draw = np.random.default_rng(setting.seed)
    fold = draw.permutation(good) % max(1, setting.folds)
    banks = []
    for number in range(max(1, setting.folds)):
        chosen = np.flatnonzero(fold == number)
        share = setting.candidates // max(1, setting.folds)
        vectors = []
        each = -(-share // len(chosen))
        for grid in joined.of(chosen):
            flat = grid.flatten(0, 1)
            vectors.append(flat[torch.from_numpy(draw.permutation(len(flat))[:each])])
        among = torch.cat(vectors)
        banks.append(among[k_centre(among, setting.bank // max(1, setting.folds))])
    owner = torch.cat([torch.full((len(one),), n) for n, one in enumerate(banks)])
    bank = torch.cat(banks)
    usual = torch.ones(len(bank))
    if setting.density:
        usual = _usual(joined, fold, bank, owner, setting)
    total = len(next(iter(outputs.values())))
    fold = fold[: scored or good]
    good_maps = _maps(joined, np.arange(len(fold)), bank, owner, fold, usual, setting)
    tested = _maps(joined, np.arange(good, total), bank, owner, None, usual, setting)
    if setting.local:
        usual_maps = Usual.of(good_maps, setting.local)
        held_out = np.empty_like(good_maps)
        for number in range(max(1, setting.folds)):
            others = Usual.of(good_maps[fold != number], setting.local)
            held_out[fold == number] = others.standardised(good_maps[fold == number])
        return Maps(held_out, usual_maps.standardised(tested))
    return Maps(good_maps, tested)


def _of_groups(
    outputs: Mapping[str, NDArray[np.float16]], good: int, setting: Setting, scored: int
) -> Maps:
    parts = []
    windows = setting.windows or (setting.neighbourhood,) * len(setting.groups)
    for group, window in zip(setting.groups, windows, strict=True):
        stride = min(STRIDES[block] for block in group)
        alone = replace(
            setting, groups=(), blocks=group, stride=stride, neighbourhood=window, windows=()
        )
        parts.append(measure(outputs, good, alone, scored))
    finest = max(parts, key=lambda maps: maps.good.shape[-1]).good.shape[-2:]

    def put(which: str) -> NDArray[np.float32]:
        layers = []
        for maps in parts:
            standard = (getattr(maps, which) - maps.good.mean()) / maps.good.std()
            layers.append([cv2.resize(one, finest[::-1]) for one in standard])
        stacked = np.array(layers, np.float32)
        return np.asarray(stacked.mean(0) if setting.together == "mean" else stacked.max(0)) + 5

    return Maps(put("good"), put("tested"))


@dataclass(frozen=True)
class Usual:
    """Mean and deviation of good pictures' maps in each place."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def of(cls, maps: NDArray[np.float32], prior: float) -> Usual:
        """Statistics of maps [N,h,w], drawn to those of all places with a weight in pictures."""
        count = len(maps)
        mean, variance = maps.mean(), maps.var()
        sums = cv2.GaussianBlur(maps.sum(0), (0, 0), 1.0)
        local = (sums + prior * mean) / (count + prior)
        squares = cv2.GaussianBlur(((maps - local) ** 2).sum(0), (0, 0), 1.0)
        return cls(local, np.sqrt((squares + prior * variance) / (count + prior)))

    def standardised(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps in deviations above the mean."""
        return np.asarray((maps - self.mean) / self.std, np.float32)


class Joined:
    """Blocks' outputs joined on one grid."""

    def __init__(self, outputs: Mapping[str, NDArray[np.float16]], setting: Setting) -> None:
        self.outputs, self.setting = outputs, setting
        first = outputs[setting.blocks[0]]
        stride = STRIDES[setting.blocks[0]]
        self.grid = tuple(side * stride // setting.stride for side in first.shape[-2:])
        self.mean = torch.zeros(())
        self.factor: Tensor | None = None
        self.matrix: Tensor | None = None
        self.spread = 0.0
        self.windows = setting.windows or (setting.neighbourhood,) * len(setting.blocks)

    def fit(self, good: int) -> None:
        """Statistics of the channels on good pictures."""
        setting = self.setting
        chosen = np.linspace(0, good - 1, min(good, SCALED_ON)).astype(int)
        vectors = torch.cat([grid.flatten(0, 1) for grid in self.of(np.unique(chosen))])
        if setting.place:
            vectors = vectors[:, :-2]
        std = vectors.std(0).clamp_min(1e-6)
        parts = 1 if setting.pool in ("avg", "max") else 2
        widths = [parts * self.outputs[block].shape[1] for block in setting.blocks]
        if setting.scale in ("std", "residual"):
            factor = 1 / std
        elif setting.scale == "block":
            factor = torch.cat(
                [(1 / part.square().mean().sqrt()).expand(len(part)) for part in std.split(widths)]
            )
        else:
            factor = torch.ones_like(std)
        if setting.balance:
            factor = factor * torch.cat([torch.full((w,), w**-0.5) for w in widths]) * 10
        if setting.weights:
            factor = factor * torch.cat(
                [torch.full((w,), one) for w, one in zip(widths, setting.weights, strict=True)]
            )
        self.spread = float((std * factor).square().mean().sqrt())
        if setting.scale == "white":
            self.spread = 1.0
            self.mean = vectors.mean(0)
            standard = (vectors - self.mean) / std
            covariance = standard.T @ standard / len(standard)
            values, axes = torch.linalg.eigh(covariance)
            self.matrix = (axes / std[:, None]) / (values + setting.shrink).sqrt()
            return
        self.factor = factor

    def fit_residuals(self, good: int) -> None:
        """Decorrelates what is left of good vectors after the nearest of other pictures."""
        chosen = np.unique(np.linspace(0, good - 1, min(good, 2 * SCALED_ON)).astype(int))
        draw = torch.Generator().manual_seed(0)
        sides: list[list[Tensor]] = [[], []]
        for number, grid in enumerate(self.of(chosen)):
            flat = grid.flatten(0, 1)
            each = 8000 // (len(chosen) // 2) + 1
            sides[number % 2].append(flat[torch.randperm(len(flat), generator=draw)[:each]])
        one, other = torch.cat(sides[0]), torch.cat(sides[1])
        squares = other.square().sum(1)
        nearest = [
            torch.addmm(squares, part, other.T, alpha=-2).argmin(1) for part in one.split(1000)
        ]
        residuals = one - other[torch.cat(nearest)]
        std = residuals.std(0).clamp_min(1e-6)
        standard = residuals / std
        covariance = standard.T @ standard / len(standard)
        values, axes = torch.linalg.eigh(covariance)
        matrix = (axes / std[:, None]) / (values + self.setting.shrink).sqrt()
        assert self.factor is not None
        self.matrix = self.factor[:, None] * matrix
        self.factor = None

    def of(self, pictures: NDArray[np.intp]) -> Iterator[Tensor]:
        """The vectors of pictures, [h,w,D] each."""
        setting = self.setting
        for first in range(0, len(pictures), PICTURES_AT_ONCE):
            parts = []
            for block, n in zip(setting.blocks, self.windows, strict=True):
                index = pictures[first : first + PICTURES_AT_ONCE]
                values = torch.from_numpy(np.asarray(self.outputs[block][index])).float()
                if STRIDES[block] < setting.stride:
                    ratio = setting.stride // STRIDES[block]
                    values = F.avg_pool2d(values, ratio)
                values = _pooled(values, n, setting.pool)
                if values.shape[-2:] != self.grid:
                    values = F.interpolate(values, self.grid, mode="bilinear", align_corners=False)
                parts.append(values)
            joined = torch.cat(parts, 1).permute(0, 2, 3, 1)
            if setting.centred:
                joined = joined - joined.mean((1, 2), keepdim=True)
            if self.factor is not None:
                joined = joined * self.factor
            if self.matrix is not None:
                joined = (joined - self.mean) @ self.matrix
            if setting.unit:
                joined = F.normalize(joined, dim=-1) * 10
            if setting.place:
                joined = self._with_place(joined)
            yield from joined

    def _with_place(self, joined: Tensor) -> Tensor:
        rows, columns = (torch.linspace(0, 1, side) for side in self.grid)
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
        # Twice the number of channels is the mean squared distance of two standardised vectors.
        weight = self.setting.place * (2 * joined.shape[-1]) ** 0.5 * self.spread
        return torch.cat([joined, (weight * place).expand(len(joined), -1, -1, -1)], -1)


def _pooled(values: Tensor, n: int, pool: str) -> Tensor:
    if pool == "max":
        return F.max_pool2d(values, n, 1, n // 2)
    mean = F.avg_pool2d(values, n, 1, n // 2, count_include_pad=False)
    if pool == "dev":
        squares = F.avg_pool2d(values.square(), n, 1, n // 2, count_include_pad=False)
        return torch.cat([mean, (squares - mean.square()).clamp_min(0).sqrt()], 1)
    if pool == "contrast":
        wide = F.avg_pool2d(values, 3 * n, 1, 3 * n // 2, count_include_pad=False)
        return torch.cat([mean, values - wide], 1)
    return mean


def k_centre(vectors: Tensor, count: int) -> Tensor:
    """Indices of a greedy k-centre cover on a random projection."""
    generator = torch.Generator().manual_seed(0)
    if vectors.shape[1] > PROJECTED:
        matrix = torch.randn(vectors.shape[1], PROJECTED, generator=generator)
        vectors = vectors @ (matrix / PROJECTED**0.5)
    squares = vectors.square().sum(1)
    chosen = [0]
    distance = torch.full((len(vectors),), torch.inf)
    for _ in range(min(count, len(vectors)) - 1):
        at = chosen[-1]
        distance = torch.minimum(distance, squares + squares[at] - 2 * (vectors @ vectors[at]))
        chosen.append(int(distance.argmax()))
    return torch.tensor(chosen)


def _maps(
    joined: Joined,
    pictures: NDArray[np.intp],
    bank: Tensor,
    owner: Tensor,
    fold: NDArray[np.intp] | None,
    usual: Tensor,
    setting: Setting,
) -> NDArray[np.float32]:
    maps = []
    squares = bank.square().sum(1)
    single = fold is not None and setting.folds <= 1
    for picture, grid in zip(pictures, joined.of(pictures), strict=True):
        flat = grid.flatten(0, 1)
        square = torch.addmm(squares, flat, bank.T, alpha=-2) + flat.square().sum(1, keepdim=True)
        if fold is not None and not single:
            square[:, owner == int(fold[picture])] = torch.inf
        distance = _nearest(square, usual, setting)
        maps.append(distance.view(grid.shape[:2]).numpy())
    return np.stack(maps)


def _nearest(square: Tensor, usual: Tensor, setting: Setting) -> Tensor:
    if setting.density:
        distance, at = square.min(1)
        return distance.clamp_min(0).sqrt() / usual[at]
    if setting.k == 1:
        return square.amin(1).clamp_min(0).sqrt()
    return square.topk(setting.k, dim=1, largest=False).values.clamp_min(0).sqrt().mean(1)


def _usual(
    joined: Joined, fold: NDArray[np.intp], bank: Tensor, owner: Tensor, setting: Setting
) -> Tensor:
    """The usual distance of other folds' vectors to each of the bank's, relative to the mean."""
    squares = bank.square().sum(1)
    total, count = torch.zeros(len(bank)), torch.zeros(len(bank))
    for picture, grid in enumerate(joined.of(np.arange(len(fold)))):
        flat = grid.flatten(0, 1)
        square = torch.addmm(squares, flat, bank.T, alpha=-2) + flat.square().sum(1, keepdim=True)
        square[:, owner == int(fold[picture])] = torch.inf
        distance, at = square.min(1)
        total.index_add_(0, at, distance.clamp_min(0).sqrt())
        count.index_add_(0, at, torch.ones_like(distance))
    mean = total.sum() / count.sum()
    # A vector that few came near is taken to be as usual, with the weight of ten.
    return ((total + 10 * mean) / (count + 10) / mean) ** setting.density
