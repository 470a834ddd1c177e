"""How much movement a model bears: shares of good pictures rejected, by magnitude."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from takt.core.bundles.strict_model import StrictModel

MovementKind = Literal["shift", "turn", "light", "noise"]

FEWEST_PICTURES = 20
"""Fewest good pictures, which the model has not seen, that tell what it bears."""

_WORDS: dict[MovementKind, tuple[str, str]] = {
    "shift": ("shifts to {} %", "no shift of {} %"),
    "turn": ("turns to {}°", "no turn of {}°"),
    "light": ("light ±{} %", "no light of ±{} %"),
    "noise": ("noise to {} levels", "no noise of {} levels"),
}


_LEAST: dict[MovementKind, tuple[float, str]] = {
    "shift": (1, "the part lies 1 % elsewhere"),
    "light": (5, "the light is 5 % stronger or weaker"),
}
"""What a model is to bear, and what happens where it does not."""


def movement_text(movement: Mapping[MovementKind, float]) -> str:
    """Movement in words.

    >>> movement_text({"shift": 5, "turn": 1})
    'shifts to 5 % and turns to 1°'
    """
    return " and ".join(_WORDS[kind][0].format(f"{most:g}") for kind, most in movement.items())


class MovedShare(StrictModel):
    """Good pictures that were moved by one magnitude."""

    magnitude: float = Field(gt=0)
    """Per cent of the sides or of the light, degrees, or levels."""

    rejected: float = Field(ge=0, le=1)
    """Share of the pictures that the model would reject."""


class KindBorne(StrictModel):
    """What a model bears of one kind of movement."""

    kind: MovementKind
    bound: float = Field(ge=0)
    """The largest magnitude that is borne, as are all smaller ones; 0 if not even the smallest."""

    steps: tuple[MovedShare, ...] = Field(min_length=1)
    """From the smallest magnitude to the first that is not borne, or to the largest tried."""

    @model_validator(mode="after")
    def _bound_is_a_step(self) -> Self:
        magnitudes = [one.magnitude for one in self.steps]
        if magnitudes != sorted(set(magnitudes)):
            raise ValueError("the magnitudes of a movement do not rise")
        if self.bound not in (0, *magnitudes):
            raise ValueError("a movement is borne up to a magnitude that was not tried")
        return self

    @property
    def text(self) -> str:
        """What is borne of it, in words."""
        to, none = _WORDS[self.kind]
        words, magnitude = (to, self.bound) if self.bound else (none, self.steps[0].magnitude)
        text = words.format(f"{magnitude:g}")
        if magnitude == 1:
            text = text.removesuffix("s")
        return text if self.ends else f"{text} and more"

    @property
    def ends(self) -> bool:
        """Whether a magnitude was found that is not borne."""
        return self.bound < self.steps[-1].magnitude


class Bearing(StrictModel):
    """What movement a model bears.

    >>> below, above = MovedShare(magnitude=2, rejected=0.06), MovedShare(magnitude=3, rejected=0.1)
    >>> bearing = Bearing(
    ...     pictures=60,
    ...     limit=0.08,
    ...     kinds=(
    ...         KindBorne(kind="shift", bound=2, steps=(below, above)),
    ...         KindBorne(kind="turn", bound=2, steps=(below,)),
    ...     ),
    ... )
    >>> bearing.text
    'shifts to 2 %, turns to 2° and more; beyond that good parts are rejected'
    >>> bearing.bound("shift"), bearing.bound("light")
    (2.0, None)
    """

    pictures: int = Field(ge=0)
    """Number of good pictures that the model has not seen."""

    limit: float = Field(ge=0, le=1)
    """Largest share of them that may be rejected where a movement is borne."""

    kinds: tuple[KindBorne, ...]
    """By kind; empty where the pictures are too few to tell."""

    def bound(self, kind: MovementKind) -> float | None:
        """The largest magnitude that is borne; None where that is not known."""
        return next((one.bound for one in self.kinds if one.kind == kind), None)

    @property
    def warning(self) -> str | None:
        """What to do where it bears so little that most lines show more; None if it bears more."""
        little = [
            what
            for kind, (least, what) in _LEAST.items()
            if (bound := self.bound(kind)) is not None and bound < least
        ]
        if not little:
            return None
        return (
            f"more than {100 * self.limit:.3g} % of good parts are rejected where "
            f"{' or '.join(little)}; fix part and light, or learn parts that lie and are lit "
            "otherwise, too"
        )

    @property
    def text(self) -> str:
        """What it bears, in words."""
        if not self.kinds:
            return f"not known from {self.pictures} picture{'s' * (self.pictures != 1)}"
        borne = ", ".join(one.text for one in self.kinds)
        if any(one.ends for one in self.kinds):
            return f"{borne}; beyond that good parts are rejected"
        return borne
