"""Turns what lies on a stored picture as its EXIF orientation says, so that it stands upright."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Element = TypeVar("Element", bound=np.generic)


class Turn(NamedTuple):
    """Mirrors the stored columns and rows, then transposes.

    >>> Turn.of(6).array(np.array([[1, 2], [3, 4]])).tolist()
    [[3, 1], [4, 2]]

    Attributes:
        columns: whether columns are mirrored.
        rows: whether rows are mirrored.
        transposed: whether rows become columns after that.
    """

    columns: bool = False
    rows: bool = False
    transposed: bool = False

    @classmethod
    def of(cls, orientation: int) -> Turn:
        """The turn that an EXIF orientation from 1 to 8 asks for."""
        return _TURNS[orientation]

    def array(self, stored: NDArray[Element]) -> NDArray[Element]:
        """Pixels or cells [h, w, ...], upright and C-contiguous; `stored` itself if they are."""
        if self == NO_TURN:
            return stored
        turned: NDArray[Any] = stored[:: -1 if self.rows else 1, :: -1 if self.columns else 1]
        return np.ascontiguousarray(turned.swapaxes(0, 1) if self.transposed else turned)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of the upright picture."""
        return (height, width) if self.transposed else (width, height)


NO_TURN = Turn()
_TURNS = {
    1: NO_TURN,
    2: Turn(columns=True),
    3: Turn(columns=True, rows=True),
    4: Turn(rows=True),
    5: Turn(transposed=True),
    6: Turn(rows=True, transposed=True),
    7: Turn(columns=True, rows=True, transposed=True),
    8: Turn(columns=True, transposed=True),
}
