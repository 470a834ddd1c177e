"""Filters as conditions of SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, LargeBinary, Text, case, func

from service.recording.keeping import CHOSEN
from service.recording.search.filters import Filters
from service.recording.tables import inspections

Condition = ColumnElement[bool]
Operand = ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class _Filter:
    """What a filter asks of a column.

    Attributes:
        column: its name.
        asks: makes the condition, of the column and the filter's value.
    """

    column: str
    asks: Callable[[Operand, Any], Condition]


def _equals(column: Operand, value: object) -> Condition:
    return column == value


_FILTERS: Final[dict[str, _Filter]] = {
    "since_us": _Filter("at_us", lambda column, at_us: column >= at_us),
    "until_us": _Filter("at_us", lambda column, at_us: column < at_us),
    "verdict": _Filter("anomalous", lambda column, verdict: column == (verdict == "reject")),
    "judgement": _Filter(
        "judgement",
        lambda column, value: column.is_(None) if value == "none" else column == value,
    ),
    "score_min": _Filter("score", lambda column, score: column >= score),
    "score_max": _Filter("score", lambda column, score: column <= score),
    "kept": _Filter(
        "kept", lambda column, value: column.in_(CHOSEN) if value == "any" else column == value
    ),
    "sha256": _Filter("sha256", lambda column, value: column == bytes.fromhex(value)),
    **{
        name: _Filter(name, _equals)
        for name in ("model", "version", "station", "lot", "part", "request_id")
    },
}

_UNDECIDED: Final = _Filter("undecided", lambda column, _: column.is_not(None))


def _filter_of(filters: Filters, name: str) -> _Filter:
    if name == "verdict" and filters.verdict == "undecided":
        return _UNDECIDED
    return _FILTERS[name]


def conditions(
    filters: Filters, names: Collection[str] | None = None, *, by_index: bool = True
) -> list[Condition]:
    """Conditions on rows of `inspections`, all of which hold for the wanted ones.

    Args:
        filters: what is wanted.
        names: the filters to take, as far as they are given; None for all.
        by_index: whether the database may find the rows by an index of these columns; else it
            looks at the rows that it has found by others.
    """
    found = []
    for name in filters.given:
        if names is not None and name not in names:
            continue
        one = _filter_of(filters, name)
        column = inspections.c[one.column] if by_index else without_index(one.column)
        found.append(one.asks(column, getattr(filters, name)))
    return found


def equals(filters: Filters, names: Iterable[str]) -> dict[str, Any]:
    """The columns that must have one value, and that value, in the order of the names.

    Args:
        filters: what is wanted.
        names: filters of values, not of ranges, as far as they are given.
    """
    given = {name: getattr(filters, name) for name in names if name in filters.given}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == "verdict":
            if value != "undecided":
                found["anomalous"] = value == "reject"
        elif name == "sha256":
            found[name] = bytes.fromhex(value)
        elif (name, value) not in (("judgement", "none"), ("kept", "any")):
            found[name] = value
    return found


def without_index(name: str) -> Operand:
    """A column as an expression that has its value, and that no index has."""
    column = inspections.c[name]
    if isinstance(column.type, Boolean):
        return case((column, True), else_=False)
    if isinstance(column.type, Text):
        return column.concat("")
    if isinstance(column.type, LargeBinary):
        return func.coalesce(column, b"")
    return column + 0
