"""Filters as conditions of SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, LargeBinary, Text, case, func

from takt.recording.keeping import CHOSEN
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections

Condition = ColumnElement[bool]
Operand = ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class _Filter:
    """What a filter asks of a column.

    Attributes:
        column: its name.
        asks: makes the condition, of the column and the filter's value.
        equal: what the column must be, of the filter's value; None where it asks something else.
    """

    column: str
    asks: Callable[[Operand, Any], Condition]
    equal: Callable[[Any], Any] | None = None


def _equal(column: str, to: Callable[[Any], Any] = lambda value: value) -> _Filter:
    """A filter that asks for one value of a column."""
    return _Filter(column, lambda operand, value: operand == to(value), to)


_FILTERS: Final[dict[str, _Filter]] = {
    "since_us": _Filter("at_us", lambda column, at_us: column >= at_us),
    "until_us": _Filter("at_us", lambda column, at_us: column < at_us),
    "verdict": _equal("anomalous", lambda verdict: verdict == "reject"),
    "judgement": _equal("judgement"),
    "score_min": _Filter("score", lambda column, score: column >= score),
    "score_max": _Filter("score", lambda column, score: column <= score),
    "kept": _equal("kept"),
    "sha256": _equal("sha256", bytes.fromhex),
    **{name: _equal(name) for name in ("model", "version", "station", "lot", "part", "request_id")},
}
_BY_VALUE: Final[dict[tuple[str, object], _Filter]] = {
    ("verdict", "undecided"): _Filter("undecided", lambda column, _: column.is_not(None)),
    ("judgement", "none"): _Filter("judgement", lambda column, _: column.is_(None)),
    ("kept", "any"): _Filter("kept", lambda column, _: column.in_(CHOSEN)),
}
"""Values that ask something else than others of their filters do."""


def _filter_of(filters: Filters, name: str) -> _Filter:
    return _BY_VALUE.get((name, getattr(filters, name))) or _FILTERS[name]


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


def equals(filters: Filters, names: Iterable[str]) -> dict[str, tuple[str, Any]]:
    """The filters that ask for one value of a column: that column and value, by their names.

    Args:
        filters: what is wanted.
        names: filters to look at, as far as they are given.
    """
    found = {}
    for name in names:
        one, value = _filter_of(filters, name), getattr(filters, name)
        if value is not None and one.equal is not None:
            found[name] = one.column, one.equal(value)
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
