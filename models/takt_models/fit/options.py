"""Options of a fit: type, bounds, default and meaning of each, declared once.

The commands make their `--help` and their checks of these declarations, so nothing here loads
torch. The text under `Attributes:` is what `--help` prints.
"""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from takt_models.fit.errors import FitError


@dataclass(frozen=True)
class Range:
    """The numbers that an option takes.

    Attributes:
        low: lowest number.
        high: highest number.
        is_open: whether both ends are excluded.

    >>> 0.5 in Range(0, 1), 0 in Range(0, is_open=True)
    (True, False)
    >>> str(Range(0, is_open=True))
    'above 0'
    """

    low: int
    high: float = math.inf
    is_open: bool = False

    def __contains__(self, number: float) -> bool:
        if self.is_open:
            return self.low < number < self.high
        return self.low <= number <= self.high

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"above {self.low}" if self.is_open else f"at least {self.low}"
        if self.is_open:
            return f"above {self.low} and below {self.high}"
        return f"from {self.low} to {self.high}"


Natural = Annotated[int, Range(0)]
Count = Annotated[int, Range(1)]
Positive = Annotated[float, Range(0, is_open=True)]
Share = Annotated[float, Range(0, 1)]
OpenShare = Annotated[float, Range(0, 1, is_open=True)]


@dataclass(frozen=True)
class FitOptions:
    """Options of every fit.

    Attributes:
        seed: Of everything random.
    """

    seed: Natural = 0

    def __post_init__(self) -> None:
        for name, kind in kinds_of(type(self)).items():
            value = getattr(self, name)
            bounds = get_args(kind)[1] if get_origin(kind) is Annotated else None
            if bounds is not None and value is not None and value not in bounds:
                raise FitError(f"{name} is {value}; it must be {bounds}")


@dataclass(frozen=True)
class DescentOptions(FitOptions):
    """Options of a fit by gradient descent.

    Attributes:
        learning_rate: Largest learning rate.
    """

    learning_rate: Positive = 1e-3


@dataclass(frozen=True)
class DetectorOptions(DescentOptions):
    """Options of a detector's fit by gradient descent.

    Attributes:
        steps: Optimiser steps, all of them, whatever time they take.
        minutes: Time for the whole fit; the pace of the first steps tells how many it allows.
        calibration: Share of the good pictures that the fit never sees, for the thresholds.
        save_every: Steps between points of the loss curve.
    """

    steps: Count | None = None
    minutes: Positive = 20
    calibration: OpenShare = 0.25
    save_every: Count = 100


def kinds_of(options: type[FitOptions]) -> dict[str, Any]:
    """The type of each option, with its `Range` if it has one; of an optional one, the type alone.

    >>> kinds_of(DetectorOptions)["steps"] == Count
    True
    """
    hints = get_type_hints(options, include_extras=True)
    return {
        name: next(kind for kind in get_args(hint) if kind is not NoneType)
        if NoneType in get_args(hint)
        else hint
        for name, hint in hints.items()
    }


def meanings_of(options: type[FitOptions]) -> dict[str, str]:
    """The meaning of each option, as the docstrings of its class and of the bases have it.

    >>> meanings_of(DetectorOptions)["seed"]
    'Of everything random.'
    """
    found: dict[str, str] = {}
    for one in reversed(options.__mro__):
        text = inspect.cleandoc(one.__doc__ or "")
        entries = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", text, re.MULTILINE)
        found.update((name, " ".join(entry.split())) for name, entry in entries)
    return found
