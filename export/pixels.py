"""How well maps find defects pixel by pixel, over any number of pictures in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.domain import AnomalyMap
from service.placement import Axis, Placement

KEY_BITS = 22
"""Sign, exponent and the 13 highest bits of the fraction of a float32."""


class PixelRanking:
    """Counts the map values of defective and of sound cells, for the area under the ROC.

    Values that agree in their 22 leading bits, that is to a relative 2⁻¹³, count as ties; all
    else is exact. So the memory is 64 MiB, whatever the number of pictures.
    """

    def __init__(self) -> None:
        self._defective = np.zeros(1 << KEY_BITS, np.int64)
        self._sound = np.zeros(1 << KEY_BITS, np.int64)

    def add(self, anomaly_map: AnomalyMap, mask: NDArray[np.bool_]) -> None:
        """Count a map, float32 [h,w], whose defective cells are True in `mask` [h,w]."""
        keys = _ordered_keys(anomaly_map)
        for counts, chosen in ((self._defective, keys[mask]), (self._sound, keys[~mask])):
            found, times = np.unique(chosen, return_counts=True)
            counts[found] += times

    @property
    def auroc(self) -> float | None:
        """P(a defective cell's value > a sound one's), ties as half; None without both kinds."""
        defective, sound = self._defective.sum(), self._sound.sum()
        if defective == 0 or sound == 0:
            return None
        lower = np.cumsum(self._sound) - self._sound
        pairs = self._defective * (lower + self._sound / 2)
        return float(pairs.sum() / (float(defective) * float(sound)))


def mask_on_map(
    mask: NDArray[np.bool_], placed: Placement, grid: tuple[int, int]
) -> NDArray[np.bool_]:
    """A mask of the whole picture, on the map's grid: the cells that any defective pixel touches.

    Comparing at the map's size bounds the memory and weighs large and small pictures alike; that
    a touched cell counts keeps defects smaller than a cell.

    Args:
        mask: [H,W] of the picture.
        placed: how the map lies on it.
        grid: (h, w) of the map.
    """
    rows, columns = grid
    return _touched(_touched(mask, placed.y, rows).T, placed.x, columns).T


def _touched(mask: NDArray[np.bool_], axis: Axis, cells: int) -> NDArray[np.bool_]:
    """[n,m] -> [cells,m]: whether any of the rows that a cell overlaps is True."""
    spans = np.array([axis.touched(cell, cell + 1, cells) for cell in range(cells)])
    above = np.zeros((len(mask) + 1, mask.shape[1]), np.int32)
    np.cumsum(mask, axis=0, out=above[1:])
    touched: NDArray[np.bool_] = above[spans[:, 1]] > above[spans[:, 0]]
    return touched


def _ordered_keys(values: AnomalyMap) -> NDArray[np.uint32]:
    """Integers in the order of the values: a float's bits, turned so that negatives come first."""
    bits = np.ascontiguousarray(values + np.float32(0), np.float32).view(np.uint32)
    ordered = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))
    return ordered >> np.uint32(32 - KEY_BITS)
