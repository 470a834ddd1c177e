"""The features of pictures of good parts: read once, and kept as far as memory goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from takt_models.fit.device import Compute
from takt_models.fit.errors import FitError
from takt_models.fit.patchcore.moving import Movement
from takt_models.fit.pictures import Load, as_image
from takt_models.patchcore.detector import PatchCore

Flip = tuple[int, ...]
"""Axes of a picture [1,3,H,W] that are reversed: 2 for the rows, 3 for the columns."""

Move = Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]]
"""The number of a picture and the picture, RGB uint8 [H,W,3] -> the same picture moved."""

MEMORY_BYTES = 2**29
"""Largest memory of kept features; those of further pictures are computed anew when needed."""

CANDIDATES = 100_000
"""Most cells, of all pictures and their moved copies together, among which the vectors of banks are
chosen."""

SPREAD_FLOOR = 0.1
"""Least deviation of a channel, over the median deviation of all channels."""


@dataclass
class PictureFeatures:
    """The encoder's features of pictures, once `read` has seen them.

    Attributes:
        paths: at least one file.
        load: reads a picture as RGB uint8 [H,W,3].
        model: detector, whose statistics `measure` sets.
        compute: device of the encoder, which runs in float32.
        seed: seed of the choice of candidates.
        room: bytes that kept features may still take.
        most_candidates: most candidates of all pictures and their moved copies together for each
            layer's bank; each gives at least one.
    """

    paths: Sequence[Path]
    load: Load
    model: PatchCore
    compute: Compute
    seed: int = 0
    room: int = MEMORY_BYTES
    most_candidates: int = CANDIDATES
    _kept: dict[int, list[Tensor]] = field(default_factory=dict)
    _sampled: list[list[Tensor]] = field(default_factory=list)
    _further: list[list[list[Tensor]]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    @torch.no_grad()
    def read(self, turns: Iterable[int]) -> None:
        """Reads every picture once.

        Args:
            turns: numbers of all pictures in order, which may show progress as they are taken.
        """
        for index in turns:
            layers = self._embed(index)
            self._sampled.append([layer[self._choice(index, len(layer))].cpu() for layer in layers])
            self._further.append([])
            # Half precision moves a distance by a thousandth, and keeps twice as many.
            size = sum(layer.nbytes for layer in layers) // 2
            if size <= self.room:
                self.room -= size
                self._kept[index] = [layer.half().cpu() for layer in layers]

    @torch.no_grad()
    def measure(self, indices: Sequence[int]) -> None:
        """Sets mean and deviation of each channel of the model's banks to those of some pictures.

        A channel that hardly varies on them is divided by a tenth of the median deviation instead
        of its own; its own would let it drown all other channels. Tokens of a DINOv2, which are
        compared by their directions, are not standardised: all that they get is the deviation that
        makes of the mean over channels a sum.

        Raises:
            FitError: the pictures never vary.
        """
        if self.model.config.encoder == "dinov2":
            for bank in self.model.banks:
                bank.mean.zero_()
                bank.std.fill_(len(bank.std) ** -0.5)
            return
        sums = [torch.zeros_like(bank.mean, dtype=torch.float64) for bank in self.model.banks]
        squares = [torch.zeros_like(one) for one in sums]
        for index in indices:
            for layer, features in enumerate(self.raw(index)):
                values = features.double()
                sums[layer] += values.mean(0)
                squares[layer] += values.square().mean(0)
        for bank, total, square in zip(self.model.banks, sums, squares, strict=True):
            mean = total / len(indices)
            std = (square / len(indices) - mean.square()).clamp_min(0).sqrt()
            floor = SPREAD_FLOOR * std.median()
            if not floor > 1e-6:
                raise FitError(
                    "most of what the encoder says never varies on the good pictures: are they "
                    "empty?"
                )
            bank.mean.copy_(mean)
            bank.std.copy_(std.clamp_min(floor))

    @torch.no_grad()
    def read_turned(self, flips: Sequence[Flip]) -> None:
        """Reads every picture in each of some flips besides; together they give as many candidates.

        Args:
            flips: how the pictures are turned.
        """
        for index in range(len(self)):
            for number, layers in enumerate(self.turned(index, flips)):
                draw = np.random.default_rng((self.seed, 2, index, number))
                count = len(self) * len(flips)
                chosen = [layer[self._drawn(draw, len(layer), count)].cpu() for layer in layers]
                self._further[index].append(chosen)

    @torch.no_grad()
    def read_moved(self, move: Move | None = None) -> None:
        """Reads every picture once more, moved; copies give as many candidates as pictures do.

        Args:
            move: moves a picture; as a line might if None.
        """
        if not self._has_copies:
            return
        for index in range(len(self)):
            layers = self._embed_moved(index, move or _moved)
            draw = np.random.default_rng((self.seed, 3, index))
            chosen = [layer[self._drawn(draw, len(layer), self._shown)].cpu() for layer in layers]
            self._further[index].append(chosen)

    def cells(self, index: int) -> list[Tensor]:
        """Standardised features [T,C] of a picture's cells by layer, on the model's device."""
        layers = zip(self.model.banks, self.raw(index), strict=True)
        return [bank.standardize(raw) for bank, raw in layers]

    def candidates(self, indices: Iterable[int]) -> list[Tensor]:
        """Standardised features [n,C] of a sample of these pictures' cells by layer, on the CPU."""
        seen = ((self._sampled[index], *self._further[index]) for index in indices)
        sampled = zip(*chain.from_iterable(seen), strict=True)
        return [
            (torch.cat(raw) - bank.mean.cpu()) / bank.std.cpu()
            for bank, raw in zip(self.model.banks, sampled, strict=True)
        ]

    def raw(self, index: int) -> list[Tensor]:
        """Features [T,C] of a picture's cells by layer, as the encoder gives them."""
        kept = self._kept.get(index)
        if kept is None:
            return self._embed(index)
        return [layer.to(self.compute.device).float() for layer in kept]

    def turned(self, index: int, flips: Sequence[Flip]) -> Iterator[list[Tensor]]:
        """Features [T,C] of a picture's cells by layer in each of some flips."""
        image = self._image(index)
        for flip in flips:
            yield self._cells_of(image.flip(flip))

    def _embed(self, index: int) -> list[Tensor]:
        return self._cells_of(self._image(index))

    def _embed_moved(self, index: int, move: Move) -> list[Tensor]:
        moved = move(index, self.load(self.paths[index]))
        return self._cells_of(as_image(moved, self.compute.device))

    def _image(self, index: int) -> Tensor:
        return as_image(self.load(self.paths[index]), self.compute.device)

    @torch.no_grad()
    def _cells_of(self, image: Tensor) -> list[Tensor]:
        return [layer[0].contiguous() for layer in self.model.embed(self.model.normalize(image))]

    def _choice(self, index: int, cells: int) -> Tensor:
        return self._drawn(np.random.default_rng((self.seed, 1, index)), cells, self._shown)

    @property
    def _has_copies(self) -> bool:
        # It was tried with this encoder alone.
        return self.model.config.encoder == "lite0"

    @property
    def _shown(self) -> int:
        """Number of the pictures with their moved copies."""
        return len(self) * (2 if self._has_copies else 1)

    def _drawn(self, draw: np.random.Generator, cells: int, pictures: int) -> Tensor:
        count = min(cells, max(1, self.most_candidates // pictures))
        return torch.from_numpy(np.sort(draw.permutation(cells)[:count])).to(self.compute.device)


def _moved(number: int, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return Movement.drawn(number).of(picture)
