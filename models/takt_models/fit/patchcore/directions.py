"""The directions of a head: what a few judged defects have that good parts have not.

A judged defect is the mean of those of its cells that the bank finds the oddest, within the box if
somebody has drawn one. What is usual depends on the place, so each of these cells counts by what it
has more than good cells x of its own place, whose mean is m. Their covariance C is that of x - m
over all places, of which a tenth is taken from the mean variance of all channels. In the space
where good cells vary alike in every direction,

    y = C^(-1/2) (x - m),

the direction of a defect is that of its own y (for one defect that is Fisher's linear discriminant;
Hariharan, Malik and Ramanan, ECCV 2012). Many defects are gathered into at most `MOST_DIRECTIONS`,
of those that are most alike.

A response is measured by what good parts have at the same place, as the bank's distances are
(`takt_models/patchcore/places.py`). Responses of directions differ in height and spread, so each is
put on the scale of good parts: from their 70 % quantile, in their mean excess over it. What a good
part scores is measured by directions, places and scales that rest on the other folds' good parts
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from takt_models.checkpoints.good_cells import GoodCells, exact
from takt_models.dinov2.maps import scored_among
from takt_models.patchcore.coreset import greedy_k_centre
from takt_models.patchcore.head import resemblance
from takt_models.patchcore.places import PRIOR_MAPS, Places

MOST_DIRECTIONS = 64
"""Most directions of a head, all of which each picture costs."""

SHRINKAGE = 0.1
"""Share of the covariance that is taken from the mean variance of the channels."""

FOLDS = 5
"""Folds of good parts."""

SCALED_FROM = 0.7
"""Quantile of good parts at which a scale begins."""

_ROUNDS = 10
_AT_ONCE = 32


@dataclass(frozen=True)
class OddestCells:
    """What the bank finds the oddest of some defects.

    Attributes:
        mean: of these cells of each defect, [P,C].
        places: share of each place of the grid among them, [P,h·w].
    """

    mean: Tensor
    places: Tensor

    @classmethod
    def of(cls, cells: Tensor, oddness: Tensor, box: Tensor | None) -> OddestCells:
        """Those of one picture.

        Args:
            cells: int8 [h,w,C].
            oddness: the bank's map on the same grid, [h,w].
            box: which cells lie in the box that somebody has drawn, bool [h,w], at least one; None
                where nobody has.
        """
        flat = oddness.flatten()
        if box is not None:
            flat = torch.where(box.flatten(), flat, torch.full_like(flat, -torch.inf))
        count = scored_among(len(flat))
        if box is not None:
            count = min(count, int(box.sum()))
        places = torch.zeros_like(flat).index_fill_(0, flat.topk(count).indices, 1 / count)
        return cls((places @ exact(cells).flatten(0, 1))[None], places[None])

    @classmethod
    def joined(cls, each: Sequence[OddestCells]) -> OddestCells:
        """Those of several pictures, at least one."""
        return cls(torch.cat([one.mean for one in each]), torch.cat([one.places for one in each]))

    def some(self, numbers: Sequence[int]) -> OddestCells:
        """Those of some of the defects."""
        some = [*numbers]
        return OddestCells(self.mean[some], self.places[some])

    def __len__(self) -> int:
        """Number of defects."""
        return len(self.mean)


@dataclass(frozen=True)
class Likeness:
    """How much pictures resemble the defects that a head was taught.

    Attributes:
        directions: [K,C], of any length.
        usual: response that is usual at each place, [K,h,w].
        spread: deviation of good parts' responses there, above 0, [K,h,w].
        start: resemblance from which its scale begins, [K].
        unit: of its scale, above 0, [K].
    """

    directions: Tensor
    usual: Tensor
    spread: Tensor
    start: Tensor
    unit: Tensor

    def of(self, cells: Tensor) -> Tensor:
        """Cells of pictures, int8 [N,h,w,C] -> the likeness [N,K] to each direction."""
        found = [
            resemblance(((_responses(some, self.directions) - self.usual) / self.spread).flatten(2))
            for some in cells.split(_AT_ONCE)
        ]
        return (torch.cat(found) - self.start) / self.unit

    def some(self, numbers: Sequence[int]) -> Likeness:
        """That to some of its directions."""
        some = [*numbers]
        return Likeness(
            self.directions[some],
            self.usual[some],
            self.spread[some],
            self.start[some],
            self.unit[some],
        )


@dataclass(frozen=True)
class Whitening:
    """The space where good cells vary alike in every direction.

    Attributes:
        usual: mean m of good cells at each place, [h·w,C].
        inverse: C^(-1/2), [C,C].
    """

    usual: Tensor
    inverse: Tensor

    def of(self, defects: OddestCells) -> Tensor:
        """What each defect has more than good cells of its places, in that space, [P,C]."""
        return (defects.mean - defects.places @ self.usual) @ self.inverse


@dataclass(frozen=True)
class GoodStatistics:
    """What good cells are at each place and how they vary, by fold of their parts.

    Attributes:
        count: number of parts of each fold, [F].
        total: sums at each place, float64 [F,h·w,C].
        products: sums of the products, float64 [F,C,C].
    """

    count: Tensor
    total: Tensor
    products: Tensor

    @classmethod
    def of(cls, good: GoodCells) -> GoodStatistics:
        """Those of the cells of good parts."""
        _, height, width, channels = good.cells.shape
        count = torch.zeros(FOLDS, dtype=torch.float64)
        total = torch.zeros(FOLDS, height * width, channels, dtype=torch.float64)
        products = torch.zeros(FOLDS, channels, channels, dtype=torch.float64)
        for number, part in enumerate(good.cells):
            values = exact(part).flatten(0, 1)
            fold = number % FOLDS
            count[fold] += 1
            total[fold] += values.double()
            products[fold] += (values.T @ values).double()
        return cls(count, total, products)

    def whitening(self, without: int | None) -> Whitening:
        """That of all folds, or of all but one.

        Few parts say little of one place: its mean leans on that of all places, as if `PRIOR_MAPS`
        parts spoke for these.
        """
        folds = [fold for fold in range(FOLDS) if fold != without]
        count, total = self.count[folds].sum(), self.total[folds].sum(0)
        weight = count / (count + PRIOR_MAPS)
        usual = weight * total / count + (1 - weight) * total.mean(0) / count
        both = total.T @ usual
        squares = self.products[folds].sum(0) - both - both.T + count * usual.T @ usual
        covariance = squares / (count * len(usual))
        level = covariance.diagonal().mean().clamp_min(1e-6)
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * torch.eye(len(covariance))
        values, vectors = torch.linalg.eigh(shrunk)
        inverse = (vectors * values.clamp_min(1e-9).rsqrt()) @ vectors.T
        return Whitening(usual.float(), inverse.float())


def likeness(
    good: GoodCells,
    statistics: GoodStatistics,
    defects: OddestCells,
    *,
    without: int | None = None,
) -> Likeness:
    """Directions of defects, on the scale of good parts.

    Args:
        good: cells of good parts.
        statistics: of these.
        defects: at least one.
        without: fold of good parts that is left out.
    """
    whitening = statistics.whitening(without)
    white = whitening.of(defects)
    white = white / white.norm(dim=1, keepdim=True).clamp_min(1e-9)
    return scaled(good, _gathered(white) @ whitening.inverse, without=without)


def scaled(good: GoodCells, directions: Tensor, *, without: int | None = None) -> Likeness:
    """Directions [K,C] on the scale of good parts, of which a fold may be left out."""
    kept = [number for number in range(len(good.parts)) if number % FOLDS != without]
    responses = _responses(good.cells[kept], directions)
    usual, spread = Places.of(responses).statistics()
    found = resemblance(((responses - usual) / spread).flatten(2))
    start = torch.quantile(found, SCALED_FROM, dim=0)
    above = (found - start).clamp_min(0)
    unit = above.sum(0) / (above > 0).sum(0).clamp_min(1)
    # Good parts that are all alike leave nothing to divide by.
    unit = torch.where(unit > 0, unit, torch.ones_like(unit))
    return Likeness(directions, usual, spread, start, unit)


def good_likeness(good: GoodCells, without: Callable[[int], Likeness]) -> Tensor:
    """The likeness [m,K] of each good part, by what rests on the other folds alone.

    Args:
        good: cells of the parts.
        without: what rests on all folds but one.
    """
    count = len(good.parts)
    numbers = [range(fold, count, FOLDS) for fold in range(FOLDS)]
    of_folds = [without(fold).of(good.cells[[*mine]]) for fold, mine in enumerate(numbers) if mine]
    order = [number for mine in numbers for number in mine]
    return torch.cat(of_folds)[np.argsort(order)]


def _responses(cells: Tensor, directions: Tensor) -> Tensor:
    """The responses [N,K,h,w] of the cells of pictures, int8 [N,h,w,C]."""
    parts = [(exact(some) @ directions.T).permute(0, 3, 1, 2) for some in cells.split(_AT_ONCE)]
    return torch.cat(parts)


def _gathered(white: Tensor) -> Tensor:
    """Unit vectors [P,C] -> at most `MOST_DIRECTIONS`: the means of those that are most alike."""
    if len(white) <= MOST_DIRECTIONS:
        return white
    centres = white[greedy_k_centre(white, MOST_DIRECTIONS, seed=0)]
    for _ in range(_ROUNDS):
        nearest = (white @ centres.T).argmax(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, white)
        lengths = sums.norm(dim=1, keepdim=True)
        centres = torch.where(lengths > 1e-9, sums / lengths.clamp_min(1e-9), centres)
    return centres
