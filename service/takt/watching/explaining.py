"""Which of several facts that have moved explains the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

EXPLAINS: Final = (
    *("aspect", "shift_x", "shift_y", "turn", "sharpness low", "brightness", "size", "noise"),
    *("sharpness high", "bright", "dark", "warmth", "tint", "saturation", "texture"),
    *("likeness", "match"),
)
"""What explains others comes first: facts, or sides of them.

A part that lies elsewhere makes a picture unlike the usual one, a blurred picture has less of what
is black or white, and a darker one has less contrast. No lens grows sharper by itself. How strongly
a fact speaks does not count: what follows from a change often speaks more strongly than the change.
"""


class Spoken(Protocol):
    """A fact that speaks for an alarm."""

    @property
    def fact(self) -> str:
        """Its name."""

    @property
    def side(self) -> str:
        """To which it has moved, low or high."""

    @property
    def share(self) -> float:
        """Of the evidence."""


One = TypeVar("One", bound=Spoken)


def explaining_first(moved: Sequence[One]) -> tuple[One, ...]:
    """The facts, what explains the others first, and then the strongest.

    Args:
        moved: at least one.
    """

    def place(one: One) -> tuple[int, float]:
        names = one.fact, f"{one.fact} {one.side}"
        at = next((at for at, name in enumerate(EXPLAINS) if name in names), len(EXPLAINS))
        return at, -one.share

    return tuple(sorted(moved, key=place))
