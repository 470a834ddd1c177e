"""Features of good parts that a checkpoint keeps, so that a head can be taught without pictures.

They are those that `PatchCore.cells` gives, in steps of a sixteenth of a deviation: a head needs no
finer ones, and a picture of 320 x 320 takes 61 kB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from takt_models.checkpoints.errors import LONGEST_NAME, printable

CELLS = "good.cells"
HEAD = "good.head"

MOST_BYTES = 32 << 20
"""Bytes of all of them; of more pictures only some are kept, evenly over the others."""

_STEPS = 16
"""Steps to a deviation."""


def coarse(cells: Tensor) -> Tensor:
    """Standardised features, float -> the same in steps, int8; beyond 7.9 deviations is the end.

    >>> exact(coarse(torch.tensor([0.5, -0.03, 9.0]))).tolist()
    [0.5, 0.0, 7.9375]
    """
    return (cells * _STEPS).round().clamp(-127, 127).to(torch.int8)


def exact(cells: Tensor) -> Tensor:
    """What `coarse` gave -> standardised features, float32."""
    return cells.float() / _STEPS


@dataclass(frozen=True)
class GoodCells:
    """Cells of good parts that were scored out of fold.

    Attributes:
        parts: number of each among the parts that were scored out of fold, ascending.
        cells: int8 [m,h,w,C].
        head: what a head that has not seen them says of them, on the scale of the bank's levels
            (`takt_export/calibration/head_scale.py`), float32 [m]; None without a head.
        names: of their files as the fit was given them, with the folder's; an empty one where it is
            not known, and none at all in a checkpoint from before they were kept.

    >>> kept = GoodCells((0, 2), torch.zeros(2, 1, 1, 4, dtype=torch.int8))
    >>> GoodCells.taken(kept.tensors(), kept.plain(), scored=3).parts
    (0, 2)
    """

    parts: tuple[int, ...]
    cells: Tensor
    head: Tensor | None = None
    names: tuple[str, ...] = ()

    @property
    def files(self) -> dict[int, str]:
        """Names of files that are known, by the number of the part.

        >>> GoodCells((0, 2), torch.zeros(2, 1, 1, 4), names=("", "good/c.png")).files
        {2: 'good/c.png'}
        """
        known = zip(self.parts, self.names, strict=True) if self.names else ()
        return {part: name for part, name in known if name}

    def for_all(self, said: Tensor, bank_score: Tensor) -> Tensor:
        """What a head says of the parts [m] -> of all parts [n] that were scored out of fold.

        Parts whose cells are not kept have what is said of those that lie as high among the kept
        ones by the bank, as head and bank find many of the same parts odd.

        Args:
            said: what is said of the parts whose cells are kept, [m].
            bank_score: the bank's scores of all parts, [n].

        >>> kept = GoodCells((0, 3), torch.zeros(2, 1, 1, 4, dtype=torch.int8))
        >>> kept.for_all(torch.tensor([7.0, 8.0]), torch.tensor([0.1, 0.4, 0.2, 0.3])).tolist()
        [7.0, 8.0, 7.0, 8.0]
        """
        parts = torch.tensor(self.parts)
        is_kept = torch.zeros(len(bank_score), dtype=torch.bool)
        is_kept[parts] = True
        others = (~is_kept).nonzero()[:, 0]
        found = torch.empty(len(bank_score), dtype=said.dtype)
        found[parts] = said
        if len(others):
            as_high = torch.arange(len(others)) * len(parts) // len(others)
            by_bank = bank_score[parts].argsort(stable=True)
            found[others[bank_score[others].argsort(stable=True)]] = said[by_bank[as_high]]
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by their names in a checkpoint."""
        return {CELLS: self.cells} | ({} if self.head is None else {HEAD: self.head})

    def plain(self) -> dict[str, Any]:
        """The rest as plain values."""
        return {"parts": list(self.parts), "names": list(self.names)}

    @classmethod
    def taken(
        cls, tensors: dict[str, Tensor], plain: Mapping[str, Any] | None, scored: int
    ) -> GoodCells | None:
        """What `tensors` and `plain` gave, checked; its tensors are taken out of the others.

        Args:
            tensors: all tensors of a checkpoint.
            plain: plain values; None if the checkpoint has none.
            scored: number of parts that were scored out of fold.

        Raises:
            KeyError: something is missing.
            ValueError: the values do not fit each other.
        """
        if plain is None:
            return None
        cells, head, parts = tensors.pop(CELLS), tensors.pop(HEAD, None), tuple(plain["parts"])
        names = tuple(printable(str(name))[:LONGEST_NAME] for name in plain.get("names", ()))
        if cells.dtype != torch.int8 or cells.ndim != 4 or len(cells) != len(parts):
            raise ValueError("its cells are not of good parts")
        if [*parts] != sorted({*parts} & {*range(scored)}):
            raise ValueError("its cells are of parts that it has not scored")
        if head is not None and (head.shape != (len(parts),) or not bool(head.isfinite().all())):
            raise ValueError("what its head says is not of its parts")
        if len(names) not in (0, len(parts)):
            raise ValueError("its names are not of its parts")
        return cls(parts, cells, head, names)


def kept_of(parts: int, bytes_each: int) -> Sequence[int]:
    """The numbers of the parts whose cells are kept, evenly over all.

    >>> kept_of(4, 10), kept_of(4, MOST_BYTES // 2)
    ([0, 1, 2, 3], [0, 2])
    """
    count = min(parts, max(1, MOST_BYTES // bytes_each))
    return [number * parts // count for number in range(count)]
