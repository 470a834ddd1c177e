"""Which pictures show one part, and one score for each part.

**Proven** of a conformal threshold from the highest score of each part: let parts come in no order
that matters, each with its pictures, and let x be any picture of a further part. The highest score
of its part is exchangeable with those of the G parts that calibrate, so that it exceeds the
threshold with a probability of at most α; and x, which scores no higher, does so no more often.
Nothing is assumed of the pictures of a part: how many there are, or how alike.

If each of n pictures counts as if it showed another part, α is promised of nothing: of 10 parts
with 20 pictures each, a further part has the highest score with a probability of 1/11.

The price: where pictures of one part differ much, one of them is rejected less often than α. And
parts that were found by looking at the pictures may be wrong; the proof is about parts as they are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Parts:
    """The parts that pictures show.

    Attributes:
        number: number of each picture's part, counted from 0 in the order of their first pictures.

    >>> parts = Parts.of(["a", "b", "a"])
    >>> parts.number, parts.count
    ((0, 1, 0), 2)
    >>> parts.highest(np.float32([1, 2, 3])).tolist()
    [3.0, 2.0]
    """

    number: tuple[int, ...]

    @classmethod
    def of(cls, keys: Iterable[Hashable]) -> Self:
        """Pictures of one key show one part."""
        numbers: dict[Hashable, int] = {}
        return cls(tuple(numbers.setdefault(key, len(numbers)) for key in keys))

    @classmethod
    def single(cls, count: int) -> Self:
        """Each picture shows a part of its own."""
        return cls(tuple(range(count)))

    @property
    def count(self) -> int:
        """Number of parts."""
        return max(self.number, default=-1) + 1

    def chosen(self, pictures: Sequence[int]) -> Parts:
        """The parts of some of the pictures, by their numbers."""
        return Parts.of(self.number[picture] for picture in pictures)

    @property
    def first(self) -> list[int]:
        """The number of each part's first picture."""
        found: dict[int, int] = {}
        for picture, part in enumerate(self.number):
            found.setdefault(part, picture)
        return list(found.values())

    def highest(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The highest value of each part: [n] -> [count]."""
        found = np.full(self.count, -np.inf, np.float32)
        np.maximum.at(found, np.array(self.number, np.intp), values)
        return found

    def of_highest(self, values: NDArray[np.float32]) -> list[int]:
        """The number of the picture that has the highest value, for each part."""
        best: dict[int, int] = {}
        for picture, part in enumerate(self.number):
            if part not in best or values[picture] > values[best[part]]:
                best[part] = picture
        return [best[part] for part in range(self.count)]
