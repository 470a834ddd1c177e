"""What a version was taught by judged pictures, as `takt learn --teach` tells it at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from takt.core.judged import JudgedWord

NewVerdict = Literal["rejected", "accepted"]

MOST_NAMED: Final = 100
"""Pictures that are named, and kinds of defects, at most."""

_LONGEST_NAME: Final = 256
_LONGEST_WHY: Final = 1_000


def _readable(told: Any, read: ValidatorFunctionWrapHandler) -> tuple[Any, ...]:
    """The objects of a list that can be read."""
    found: tuple[Any, ...] = ()
    for one in told[:MOST_NAMED] if isinstance(told, list) else ():
        with contextlib.suppress(ValidationError):
            found += read([one])
    return found


def _kinds(told: Any) -> dict[str, int]:
    """Of what is told of kinds, that which can be read."""
    found = {}
    for kind, count in list(told.items())[:MOST_NAMED] if isinstance(told, dict) else ():
        if type(count) is int and count >= 0:
            found[str(kind)[:_LONGEST_NAME]] = count
    return found


_Count = Annotated[int, Field(strict=True, ge=0)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Share = Annotated[float, Field(strict=True, ge=0, le=1)]
_Name = Annotated[str, AfterValidator(lambda text: text[:_LONGEST_NAME])]
_Why = Annotated[str, AfterValidator(lambda text: text[:_LONGEST_WHY])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A picture of which the new version says the opposite.

    Attributes:
        file: in the folder of the learning, such as `passed/inspection-12.png`.
        inspection: its number in the record, if it has one.
        judgement: what people said of it; None for a picture that nobody has judged.
        to: what the new version says.
        score_before: by the version before.
        score_after: by the new one.
        threshold_before: of that score.
        threshold_after: of the new one.
    """

    file: _Name
    inspection: _Count | None = None
    judgement: JudgedWord | None = None
    to: NewVerdict
    score_before: _Number
    score_after: _Number
    threshold_before: _Number
    threshold_after: _Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A judgement that the other ones speak against.

    Attributes:
        file: in the folder of the learning.
        inspection: its number in the record, if it has one.
        judgement: what people said of it.
        why: it is in doubt, in words.
    """

    file: _Name
    inspection: _Count | None = None
    judgement: JudgedWord
    why: _Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What judged pictures have changed.

    Attributes:
        defects: judged defects that it was taught by.
        good: pictures judged good, which showed what turns and taught nothing.
        passed: pictures that nobody has judged, of which both versions were asked.
        found: of these, those that it rejects; each by a head that has not seen it.
        compared: of these, those that the version before was not taught with, which are the only
            ones that the two are compared by.
        found_before: compared defects that the version before rejects.
        found_after: those that the new one rejects; each by a head that has not seen it.
        bank_found_before: compared defects that the bank of the version before finds alone; None if
            that is not known.
        bank_found_after: those that the bank of the new one finds alone; None if that is not known.
        turned: pictures of which the new version says the opposite, at most `MOST_NAMED`.
        turned_rejected: how many it rejects now, named or not.
        turned_accepted: how many it accepts now, named or not.
        p_value: of McNemar's exact test of what has turned; None where too few have.
        doubts: judgements that the other ones speak against, at most `MOST_NAMED`.
        kinds: how many judged defects are of which kind; those without one under an empty text.
    """

    defects: _Count
    good: _Count
    passed: _Count
    found: _Count
    compared: _Count
    found_before: _Count
    found_after: _Count
    bank_found_before: _Count | None = None
    bank_found_after: _Count | None = None
    turned: Annotated[tuple[Turned, ...], WrapValidator(_readable)] = ()
    turned_rejected: _Count
    turned_accepted: _Count
    p_value: _Share | None = None
    doubts: Annotated[tuple[Doubt, ...], WrapValidator(_readable)] = ()
    kinds: Annotated[Mapping[str, int], BeforeValidator(_kinds)] = field(default_factory=dict)


_TAUGHT = TypeAdapter(Taught)


def taught_of(told: object) -> Taught | None:
    """What the field `taught` of a result says.

    Fields that nobody knows are passed over, and so are pictures and kinds of which not all can be
    read. Where a number is missing, nothing is said at all, as no other one stands for it.

    >>> taught_of({"defects": 20}) is None
    True

    Args:
        told: as the process wrote it.

    Returns:
        None if it is no such object, or lacks a number.
    """
    with contextlib.suppress(ValidationError):
        return _TAUGHT.validate_python(told)
    return None
