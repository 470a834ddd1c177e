"""What a version was taught by judged pictures, as `takt learn --teach` tells it at its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from service.core.domain import Json
from service.core.judged import WORDS, JudgedWord

NewVerdict = Literal["rejected", "accepted"]

MOST_NAMED: Final = 100
"""Pictures that are named, and kinds of defects, at most."""

_LONGEST_NAME: Final = 256
_LONGEST_WHY: Final = 1_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
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

    file: str
    inspection: int | None
    judgement: JudgedWord | None
    to: NewVerdict
    score_before: float
    score_after: float
    threshold_before: float
    threshold_after: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """A judgement that the other ones speak against.

    Attributes:
        file: in the folder of the learning.
        inspection: its number in the record, if it has one.
        judgement: what people said of it.
        why: it is in doubt, in words.
    """

    file: str
    inspection: int | None
    judgement: JudgedWord
    why: str


@dataclass(frozen=True, slots=True)
class Taught:
    """What judged pictures have changed.

    Attributes:
        defects: judged defects that it was taught by.
        good: pictures judged good, which showed what turns and taught nothing.
        passed: pictures that nobody has judged, of which both versions were asked.
        found_before: judged defects that the version before rejects.
        found_after: those that the new one rejects; each by a head that has not seen it.
        bank_found_before: judged defects that the bank of the version before finds alone; None if
            that is not known.
        bank_found_after: those that the bank of the new one finds alone; None if that is not known.
        turned: pictures of which the new version says the opposite, at most `MOST_NAMED`.
        turned_rejected: how many it rejects now, named or not.
        turned_accepted: how many it accepts now, named or not.
        p_value: of McNemar's exact test of what has turned; None where too few have.
        doubts: judgements that the other ones speak against, at most `MOST_NAMED`.
        kinds: how many judged defects are of which kind; those without one under an empty text.
    """

    defects: int
    good: int
    passed: int
    found_before: int
    found_after: int
    bank_found_before: int | None
    bank_found_after: int | None
    turned: tuple[Turned, ...]
    turned_rejected: int
    turned_accepted: int
    p_value: float | None
    doubts: tuple[Doubt, ...]
    kinds: Mapping[str, int]


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
    if not isinstance(told, dict):
        return None
    try:
        return Taught(
            defects=_count(told.get("defects")),
            good=_count(told.get("good")),
            passed=_count(told.get("passed")),
            found_before=_count(told.get("found_before")),
            found_after=_count(told.get("found_after")),
            bank_found_before=_perhaps(told.get("bank_found_before"), _count),
            bank_found_after=_perhaps(told.get("bank_found_after"), _count),
            turned=_each(told.get("turned"), _turned),
            turned_rejected=_count(told.get("turned_rejected")),
            turned_accepted=_count(told.get("turned_accepted")),
            p_value=_perhaps(told.get("p_value"), _share),
            doubts=_each(told.get("doubts"), _doubt),
            kinds=_kinds(told.get("kinds")),
        )
    except ValueError:
        return None


def _turned(told: Json) -> Turned:
    return Turned(
        file=_text(told.get("file"), _LONGEST_NAME),
        inspection=_perhaps(told.get("inspection"), _count),
        judgement=_perhaps(told.get("judgement"), _judged),
        to=_verdict(told.get("to")),
        score_before=_number(told.get("score_before")),
        score_after=_number(told.get("score_after")),
        threshold_before=_number(told.get("threshold_before")),
        threshold_after=_number(told.get("threshold_after")),
    )


def _doubt(told: Json) -> Doubt:
    return Doubt(
        file=_text(told.get("file"), _LONGEST_NAME),
        inspection=_perhaps(told.get("inspection"), _count),
        judgement=_judged(told.get("judgement")),
        why=_text(told.get("why"), _LONGEST_WHY),
    )


def _kinds(told: object) -> dict[str, int]:
    if not isinstance(told, dict):
        return {}
    found = {}
    for kind, count in list(told.items())[:MOST_NAMED]:
        if type(count) is int and count >= 0:
            found[str(kind)[:_LONGEST_NAME]] = count
    return found


def _each(told: object, as_: Callable[[Json], _T]) -> tuple[_T, ...]:
    """The objects of a list that can be read."""
    found = []
    for one in told[:MOST_NAMED] if isinstance(told, list) else ():
        try:
            found.append(as_(one if isinstance(one, dict) else {}))
        except ValueError:
            continue
    return tuple(found)


def _perhaps(value: Any, as_: Callable[[Any], _T]) -> _T | None:
    return None if value is None else as_(value)


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("it is no number of 0 or more")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("it is no number")
    return float(value)


def _share(value: Any) -> float:
    if not 0 <= (found := _number(value)) <= 1:
        raise ValueError("it is no share of 0 to 1")
    return found


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise ValueError("it is no text")
    return value[:most]


def _judged(value: Any) -> JudgedWord:
    for word in WORDS:
        if value == word:
            return word
    raise ValueError("it is neither good nor defect")


def _verdict(value: Any) -> NewVerdict:
    if value == "rejected":
        return "rejected"
    if value == "accepted":
        return "accepted"
    raise ValueError("it is neither rejected nor accepted")
