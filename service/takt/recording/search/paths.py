"""By which index a page is found, so that it takes no longer in a record of many years.

Each filter alone, and each pair that people ask often, has an index by time: the page is where the
index begins. Of other filters together, the one that fewest inspections meet leads, if these are
few. A range of scores has its own way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, func, or_, select, tuple_, union_all

from takt.recording.keeping import CHOSEN
from takt.recording.search.conditions import (
    Condition,
    Operand,
    conditions,
    equals,
    without_index,
)
from takt.recording.search.cursor import Cursor
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections

_FEW: Final = 2_000
"""So many rows are looked at one by one in a few milliseconds."""
_NEWEST: Final = 5_000
"""So many of the newest are looked at first, for a range of scores."""
_MANY: Final = 300_000
"""So many entries of an index are sorted in some tens of milliseconds."""

_TIME: Final = ("since_us", "until_us")
_SCORE: Final = ("score_min", "score_max")
_LEAST_US, _MOST_US = -(2**63), 2**63 - 1

_INDEXES: Final[tuple[tuple[str, ...], ...]] = (
    ("model", "version"),
    ("model", "judgement"),
    ("station", "verdict"),
    ("lot", "verdict"),
    ("part",),
    ("sha256",),
    ("request_id",),
    ("kept",),
)
"""Filters that one index by time serves, together or the first of them alone."""
_ALONE: Final = ("verdict", "judgement")
"""Second ones that have an index of their own as well."""

Newest = Select[tuple[int, int]]
"""Selects `at_us` and `id` of inspections, the newest first."""


def newest(connection: Connection, filters: Filters, after: Cursor | None, limit: int) -> Newest:
    """Selects the newest inspections that the filters want.

    Args:
        connection: by which is counted what decides the way.
        filters: which ones.
        after: only what is older than this one.
        limit: most of them.
    """
    names = {*filters.given} - {*_TIME}
    if filters.kept == "any" and names == {"kept"}:
        return _kept_for_any_reason(connection, filters, after, limit)
    if names and names <= {*_SCORE}:
        return _by_score(connection, filters, after, limit)
    for served in (*_INDEXES, tuple(names)):
        if names == {*served} and (len(names) <= 1 or served in _INDEXES):
            return _along(connection, filters, served, after, limit)
    return _by_the_rarest(connection, filters, after, limit)


def _along(
    connection: Connection,
    filters: Filters,
    names: tuple[str, ...],
    after: Cursor | None,
    limit: int,
) -> Newest:
    """By the index of these filters, which has the rows of each value by time.

    PostgreSQL would take the index by time instead, as it expects each value evenly over time; and
    would read a year for a station that is gone. In bounds of rows it has no choice.
    """
    asked = equals(filters, names)
    if connection.dialect.name != "postgresql" or not asked:
        return _in_order(conditions(filters), after, limit)
    table = inspections.c
    columns = [table[column] for column, _ in asked.values()]
    values = [value for _, value in asked.values()]
    least = _LEAST_US if filters.since_us is None else filters.since_us
    most = _MOST_US if filters.until_us is None else filters.until_us - 1
    found_by = [
        *(column.is_not(None) for column in columns if column.nullable),
        *conditions(filters, {*names} - asked.keys()),
        tuple_(*columns, table.at_us) >= tuple_(*values, least),
    ]
    if after is not None:
        most = min(most, after.at_us)
        found_by.append(or_(table.at_us < after.at_us, table.id < after.id))
    return (
        select(table.at_us, table.id)
        .where(*found_by, tuple_(*columns, table.at_us) <= tuple_(*values, most))
        .order_by(*(column.desc() for column in columns), table.at_us.desc(), table.id.desc())
        .limit(limit)
    )


def _in_order(found_by: list[Condition], after: Cursor | None, limit: int) -> Newest:
    """By an index that has the rows by time."""
    at_us = inspections.c.at_us
    return _first(_before(found_by, after, at_us), at_us, limit)


def _first(found_by: list[Condition], at_us: Operand, limit: int) -> Newest:
    table = inspections.c
    return (
        select(table.at_us, table.id)
        .where(*found_by)
        .order_by(at_us.desc(), table.id.desc())
        .limit(limit)
    )


def _before(found_by: list[Condition], after: Cursor | None, at_us: Operand) -> list[Condition]:
    if after is None:
        return found_by
    earlier = or_(at_us < after.at_us, inspections.c.id < after.id)
    return [*found_by, at_us <= after.at_us, earlier]


def _kept_for_any_reason(
    connection: Connection, filters: Filters, after: Cursor | None, limit: int
) -> Newest:
    """The newest of each reason, together."""
    parts = [
        _along(connection, replace(filters, kept=reason), ("kept",), after, limit).subquery()
        for reason in CHOSEN
    ]
    every = union_all(*(select(part.c.at_us, part.c.id) for part in parts)).subquery()
    return (
        select(every.c.at_us, every.c.id)
        .order_by(every.c.at_us.desc(), every.c.id.desc())
        .limit(limit)
    )


def _by_score(connection: Connection, filters: Filters, after: Cursor | None, limit: int) -> Newest:
    """By time where the newest have a page of it, or a great part of all is in it; else by score.

    Both indexes have score and time, so that either way reads one index alone.
    """
    table = inspections.c
    when, score = conditions(filters, _TIME), conditions(filters, _SCORE)
    by_time = _in_order([*when, *conditions(filters, _SCORE, by_index=False)], after, limit)
    recent = (
        select(table.score)
        .where(*_before(when, after, table.at_us))
        .order_by(table.at_us.desc())
        .limit(_NEWEST)
        .subquery()
    )
    among = [recent.c.score >= filters.score_min] if filters.score_min is not None else []
    among += [recent.c.score <= filters.score_max] if filters.score_max is not None else []
    hits, looked_at = connection.execute(
        select(func.count().filter(and_(True, *among)), func.count()).select_from(recent)
    ).one()
    if hits >= limit or looked_at < _NEWEST:
        return by_time
    if _count(connection, score, _MANY) > _MANY:
        return by_time
    at_us = without_index("at_us")
    hidden = conditions(filters, _TIME, by_index=False)
    return _first(_before([*score, *hidden], after, at_us), at_us, limit)


def _by_the_rarest(
    connection: Connection, filters: Filters, after: Cursor | None, limit: int
) -> Newest:
    """By the filter that fewest inspections meet; if these are not few, as the database likes."""
    given = {*filters.given}
    best: tuple[str, ...] = ()
    fewest = _FEW + 1
    for names in (*_INDEXES, *((name,) for name in _ALONE)):
        if names[0] in given:
            served = (*names, *_TIME)
            found_by = _before(conditions(filters, served), after, inspections.c.at_us)
            if (count := _count(connection, found_by, fewest - 1)) < fewest:
                best, fewest = served, count
    if given & {*_SCORE} and _count(connection, conditions(filters, _SCORE), fewest - 1) < fewest:
        best = _SCORE
    if not best:
        others = conditions(filters, given - {*_SCORE})
        hidden = conditions(filters, given & {*_SCORE}, by_index=False)
        return _in_order([*others, *hidden], after, limit)
    leading = conditions(filters, best)
    others = conditions(filters, given - {*best}, by_index=False)
    sorted_by = without_index("at_us")
    at_us = sorted_by if best == _SCORE else inspections.c.at_us
    return _first(_before([*leading, *others], after, at_us), sorted_by, limit)


def _count(connection: Connection, found_by: list[Condition], most: int) -> int:
    """How many rows meet conditions; `most` + 1 for more than that."""
    some: Select[Any] = select(inspections.c.at_us).where(*found_by).limit(most + 1)
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
