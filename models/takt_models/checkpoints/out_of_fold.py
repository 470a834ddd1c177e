"""What a checkpoint keeps of the pictures that its fit scored out of fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from takt_models.patchcore.places import Places, left_out

DISTANCES = "out_of_fold.distances"


@dataclass(frozen=True)
class OutOfFold:
    """Distances of good pictures, each to banks that have not seen it.

    Attributes:
        pictures: number of each among the pictures that the fit has seen, ascending.
        distances: distances [n,L,h,w] in that order, by layer on the map's grid, float32 that
            float16 holds exactly.
        folds: number of folds that the pictures lay in.
        lots: name of each picture's lot, of which its banks have seen no picture; empty where lots
            were not held apart.

    >>> import torch
    >>> found = OutOfFold((0, 2), torch.zeros(2, 1, 4, 4), folds=2)
    >>> again = OutOfFold.taken(found.tensors(), found.plain(), seen=3)
    >>> again.pictures, again.folds, again.maps.shape
    ((0, 2), 2, torch.Size([2, 4, 4]))
    """

    pictures: tuple[int, ...]
    distances: Tensor
    folds: int
    lots: tuple[str, ...] = ()

    @cached_property
    def maps(self) -> Tensor:
        """The maps [n,h,w], each by the statistics of the others."""
        return left_out(self.distances)

    @property
    def places(self) -> Places:
        """The sums over all of the pictures, of which the served statistics come."""
        return Places.of(self.distances)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by their names in a checkpoint."""
        return {DISTANCES: self.distances}

    def plain(self) -> dict[str, Any]:
        """The rest as plain values."""
        lots = {"lots": list(self.lots)} if self.lots else {}
        return {"pictures": list(self.pictures), "folds": self.folds, **lots}

    @classmethod
    def taken(
        cls, tensors: dict[str, Tensor], plain: Mapping[str, Any] | None, seen: int
    ) -> OutOfFold | None:
        """What `tensors` and `plain` gave, checked; its tensors are taken out of the others.

        Args:
            tensors: all tensors of a checkpoint.
            plain: plain values; None if the checkpoint has none.
            seen: number of pictures that the fit has seen.

        Raises:
            KeyError: something is missing.
            ValueError: the values do not fit each other.
        """
        if plain is None:
            return None
        distances = tensors.pop(DISTANCES)
        pictures, folds = tuple(plain["pictures"]), plain["folds"]
        lots = tuple(plain.get("lots", ()))
        if not all(type(number) is int for number in (*pictures, folds)):
            raise ValueError("its folds are not counted in whole numbers")
        if not pictures or [*pictures] != sorted({*pictures} & {*range(seen)}):
            raise ValueError("its scores are of pictures that it has not seen")
        if folds < 2 or distances.ndim != 4 or len(distances) != len(pictures):
            raise ValueError("its scores are not of folds")
        if not bool(distances.isfinite().all()):
            raise ValueError("its scores are not finite")
        if lots and (len(lots) != len(pictures) or not all(type(one) is str for one in lots)):
            raise ValueError("its lots are not those of its scores")
        return cls(pictures, distances, folds, lots)
