"""Teaches where a part lies: a linear map of gray cells, by made-up movements of good pictures.

The map is ridge regression on `LESSONS` movements of good pictures, a quarter of them none at all.
Few kinds of parts can be told so: loose ones lie anywhere, and cloth looks alike everywhere. So a
model gets a locator only where it can be relied on. In each of four folds, a map that has not seen
the fold's pictures must take few of them for moved, and most of their made-up movements for some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from takt_models.fit.patchcore.moving import Movement
from takt_models.patchcore.detector import PatchCore
from takt_models.patchcore.locator import GRAY, Locator

LESSONS = 6_000
STILL = 0.25
"""Share of the lessons that show no movement."""

RANGE = (0.06, 0.06, 5.0)
"""Largest shifts as shares of the sides, and degrees."""

SCALE = 0.04
"""Most that a part is nearer or farther, which is not told."""

PENALTY = 0.1
"""Of the squared weights, over the mean of the squares that they meet."""

TINY = 1e-12

FEWEST, MOST = 20, 200
"""Parts below which nothing is taught, and most that teach."""

FOLDS = 4
MOST_STILL_TOLD = 0.05
"""Most good pictures, as a share, that may be taken for moved."""

LEAST_MOVED_TOLD = 0.5
"""Least share of made-up shifts between `FAR` and `FARTHEST` that must be told."""

FAR, FARTHEST = 0.02, 0.04

Gray = NDArray[np.uint8]


def gray_of(picture: NDArray[np.uint8]) -> Gray:
    """An input RGB uint8 [H,W,3] -> its gray levels at half its size, uint8 [H/2,W/2]."""
    height, width, _ = picture.shape
    levels = cv2.transform(picture, np.array([GRAY], np.float32))
    half = cv2.resize(levels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(half, np.uint8)


@torch.no_grad()
def taught(
    model: PatchCore,
    gray: Callable[[int], Gray],
    parts: Sequence[Sequence[int]],
    aspect: float,
) -> Locator | None:
    """A locator for a model; None where none can be relied on.

    Args:
        model: detector of the size of the input.
        gray: a good picture by its number, as `gray_of` gives it.
        parts: numbers of the good pictures of each part.
        aspect: height of the pictures over their width, before they became the input.
    """
    # It was tried with this encoder alone.
    if model.config.encoder != "lite0" or len(parts) < FEWEST:
        return None
    good = [[gray(number) for number in part] for part in parts[:: -(-len(parts) // MOST)]]
    locator = Locator(model.input_size, model.map_size, aspect)
    random = np.random.default_rng(1)
    order = random.permutation(len(good))
    folds = [
        [picture for number in order[fold::FOLDS] for picture in good[int(number)]]
        for fold in range(FOLDS)
    ]
    lessons = [_Lessons.drawn(locator, fold, random) for fold in folds]
    still_told, moved, moved_told = 0, 0, 0
    for number, fold in enumerate(folds):
        _Lessons.all(lessons[:number] + lessons[number + 1 :]).teach(locator)
        still_told += _told(locator, fold)
        shifts = random.uniform(-FARTHEST, FARTHEST, (len(fold), 2))
        far = [
            _moved(gray, locator, (x, y, 0.0))
            for gray, (x, y) in zip(fold, shifts.tolist(), strict=True)
            if max(abs(x), abs(y)) > FAR
        ]
        moved, moved_told = moved + len(far), moved_told + _told(locator, far)
    if still_told > MOST_STILL_TOLD * sum(map(len, folds)) or moved_told < LEAST_MOVED_TOLD * moved:
        return None
    _Lessons.all(lessons).teach(locator)
    return locator


def movements(locator: Locator, pictures: Sequence[Gray]) -> Tensor:
    """The movements [N,3] that a locator tells of pictures, as `Locator.forward` gives them.

    Args:
        locator: with its weights.
        pictures: at least one, as `gray_of` gives it.
    """
    return torch.cat([locator.movements(cells) for cells in _cells(locator, pictures)])


@dataclass(frozen=True)
class _Lessons:
    """Sums over made-up movements y of pictures with cells x, float64.

    Attributes:
        count: number of movements.
        x, y: their sums, [F] and [3].
        xx, xy: sums of the products, [F,F] and [F,3].
    """

    count: int
    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor

    @classmethod
    def drawn(cls, locator: Locator, good: Sequence[Gray], random: np.random.Generator) -> _Lessons:
        """A fold's share of the lessons."""
        count = LESSONS // FOLDS
        moves = random.uniform(-1, 1, (count, 3)) * RANGE
        moves[random.uniform(size=count) < STILL] = 0
        scales = random.uniform(1 - SCALE, 1 + SCALE, count)
        scales[(moves == 0).all(1)] = 1
        chosen = random.integers(len(good), size=count)
        moved = [
            _moved(good[number], locator, tuple(move), scale)
            for number, move, scale in zip(chosen, moves.tolist(), scales.tolist(), strict=True)
        ]
        x, y = _standardised(locator, moved), torch.from_numpy(moves)
        xx, xy = (x.T @ x).double(), x.T.double() @ y
        return cls(count, x.double().sum(0), y.sum(0), xx, xy)

    @classmethod
    def all(cls, lessons: Sequence[_Lessons]) -> _Lessons:
        """The sums of several."""
        count = sum(one.count for one in lessons)
        x, y, xx, xy = (
            torch.stack([getattr(one, name) for one in lessons]).sum(0)
            for name in ("x", "y", "xx", "xy")
        )
        return cls(count, x, y, xx, xy)

    def teach(self, locator: Locator) -> None:
        """Ridge regression for each of the four that do not look at a quarter."""
        x, y = self.x / self.count, self.y / self.count
        xx = self.xx / self.count - x.outer(x)
        xy = self.xy / self.count - x.outer(y)
        locator.weights.zero_()
        for number, seen in enumerate(_without_a_quarter(locator.seen)):
            own = xx[seen][:, seen]
            # Where no cell varies, nothing is told.
            own.diagonal().add_(PENALTY * own.diagonal().mean() + TINY)
            weights = torch.linalg.solve(own, xy[seen])
            columns = slice(3 * number, 3 * number + 3)
            locator.weights[seen, columns] = weights.to(locator.weights)
            locator.offset[number] = y - x[seen] @ weights


def _without_a_quarter(size: tuple[int, int]) -> Iterator[Tensor]:
    """The cells, bool [F], that are left without each of the four quarters."""
    height, width = size
    for top in (0, height // 2):
        for left in (0, width // 2):
            seen = torch.ones(size, dtype=torch.bool)
            seen[top : top + height - height // 2, left : left + width - width // 2] = False
            yield seen.flatten()


def _told(locator: Locator, pictures: Sequence[Gray]) -> int:
    """How many of the pictures are taken for moved."""
    return int((movements(locator, pictures) != 0).any(1).sum()) if pictures else 0


def _standardised(locator: Locator, pictures: Sequence[Gray]) -> Tensor:
    return torch.cat([locator.standardised(cells) for cells in _cells(locator, pictures)])


def _cells(locator: Locator, pictures: Sequence[Gray]) -> Iterator[Tensor]:
    """Gray levels [n,1,h,w] of the cells of some pictures at a time."""
    for first in range(0, len(pictures), 500):
        levels = torch.from_numpy(np.stack(pictures[first : first + 500]))[:, None]
        yield F.avg_pool2d(levels.float() / 255, locator.stride // 2)


def _moved(
    gray: Gray, locator: Locator, move: tuple[float, float, float], scale: float = 1.0
) -> Gray:
    """A gray picture whose content is moved; what lies beyond its border is mirrored in."""
    right, down, degrees = move
    height, width = gray.shape
    # A turn of the picture before it was stretched to the input.
    stretch = float(locator.aspect) * width / height
    by = Movement(right, down, degrees, scale)
    return np.asarray(
        cv2.warpAffine(
            gray,
            by.matrix(width, height, stretch),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
        np.uint8,
    )
