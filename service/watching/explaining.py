"""Which of several facts that have moved explains the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

EXPLAINS: Final = (
    *("aspect", "shift_x", "shift_y", "turn", "size", "brightness", "bright", "dark", "sharpness"),
    *("warmth", "tint", "saturation", "noise", "texture", "likeness", "match"),
)
"""What explains others comes first.

A part that lies elsewhere makes a picture unlike the usual one, and a darker picture has less
contrast.
"""

ENOUGH: Final = 0.1
"""Share of the strongest fact's evidence that a fact has to have, to explain others."""


class Spoken(Protocol):
    """A fact that speaks for an alarm."""

    @property
    def fact(self) -> str:
        """Its name."""

    @property
    def share(self) -> float:
        """Of the evidence."""


One = TypeVar("One", bound=Spoken)


def explaining_first(moved: Sequence[One]) -> tuple[One, ...]:
    """The facts, what explains the others first, and then the strongest.

    Args:
        moved: at least one.
    """
    enough = ENOUGH * max(one.share for one in moved)

    def place(one: One) -> tuple[bool, int, float]:
        explains = one.share >= enough and one.fact in EXPLAINS
        return not explains, EXPLAINS.index(one.fact) if explains else 0, -one.share

    return tuple(sorted(moved, key=place))
