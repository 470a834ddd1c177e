"""The calendar of a review: what was kept on each day, and how much of it nobody has judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import (
    CTE,
    BigInteger,
    ScalarSelect,
    column,
    func,
    literal,
    select,
    values,
)

from takt.core.errors import InvalidParameterError
from takt.recording.database import Database
from takt.recording.keeping import CHOSEN, Chosen
from takt.recording.search.conditions import conditions
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections

MOST_DAYS: Final = 400
USUAL_DAYS: Final = 42

_DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)
_SHIFT: Final = 2**32
_BY_INDEX: Final = frozenset({"since_us", "until_us", "kept"})


@dataclass(frozen=True, slots=True)
class ReviewDay:
    """What was kept on a day.

    Attributes:
        day: by the offset that was asked for.
        rejects: kept as rejects.
        near: kept since their scores were near the threshold.
        samples: kept by chance.
        judged: of all these, those that somebody has judged.
    """

    day: date
    rejects: int = 0
    near: int = 0
    samples: int = 0
    judged: int = 0

    @property
    def unreviewed(self) -> int:
        """Those that nobody has judged."""
        return self.rejects + self.near + self.samples - self.judged


def calendar(
    database: Database, filters: Filters, *, offset_minutes: int = 0, now: datetime | None = None
) -> list[ReviewDay]:
    """What was kept on each day, the oldest first; days without anything are left out.

    Pictures that are there as recent ones alone are in no day: nobody has to go through them.

    Args:
        database: of the record.
        filters: of the inspections; without `since_us`, the 42 days until `until_us` or now.
        offset_minutes: of the days from UTC, to the east.
        now: the end where none is given; else the clock's.

    Raises:
        InvalidParameterError: the time is longer than 400 days.
        RecordError: the database cannot be read.
    """
    asked = _bounded(filters, now or datetime.now(UTC))
    reasons = [one for one in CHOSEN if asked.kept in (None, "any", one)]
    begins = _days(asked, offset_minutes * 60_000_000)
    if not reasons:
        return []
    days = _table_of([(begin_us, end_us) for begin_us, end_us, _ in begins])
    # Ranges of the index, counted one by one: sorting the rows by days takes four times as long.
    counts = [_counted(asked, days, reason) for reason in reasons]
    with database.reading() as connection:
        rows = connection.execute(select(*counts).select_from(days).order_by(days.c.begin_us)).all()
    found = []
    for (*_, day), row in zip(begins, rows, strict=True):
        kept = {reason: divmod(both, _SHIFT) for reason, both in zip(reasons, row, strict=True)}
        if any(row):
            rejects, near, samples = (kept.get(reason, (0, 0))[0] for reason in CHOSEN)
            judged = sum(one for _, one in kept.values())
            found.append(ReviewDay(day, rejects, near, samples, judged))
    return found


def _counted(asked: Filters, days: CTE, reason: Chosen) -> ScalarSelect[int]:
    """Both numbers in one, so that each range is read once."""
    columns = inspections.c
    figure = func.count() * literal(_SHIFT, BigInteger) + func.count(columns.judgement)
    # What is kept is few: another index would read all inspections of a station.
    others = conditions(asked, {*asked.given} - _BY_INDEX, by_index=False)
    return (
        select(figure)
        .select_from(inspections)
        .where(columns.kept == reason, *others)
        .where(columns.at_us >= days.c.begin_us, columns.at_us < days.c.end_us)
        .scalar_subquery()
    )


def _table_of(begins: list[tuple[int, int]]) -> CTE:
    columns = (column(name, BigInteger) for name in ("begin_us", "end_us"))
    return values(*columns, name="days").data(begins).cte("days")


def _days(asked: Filters, offset_us: int) -> list[tuple[int, int, date]]:
    """Begin, end and date of each day, the first and the last as far as they are asked for."""
    assert asked.since_us is not None and asked.until_us is not None
    first = (asked.since_us + offset_us) // _DAY_US
    last = (asked.until_us - 1 + offset_us) // _DAY_US
    return [
        (
            max(number * _DAY_US - offset_us, asked.since_us),
            min((number + 1) * _DAY_US - offset_us, asked.until_us),
            _EPOCH + timedelta(days=number),
        )
        for number in range(first, last + 1)
    ]


def _bounded(filters: Filters, now: datetime) -> Filters:
    until_us = filters.until_us
    if until_us is None:
        until_us = int(now.timestamp() * 1e6) + 1
    since_us = filters.since_us
    if since_us is None:
        since_us = until_us - USUAL_DAYS * _DAY_US
    if since_us >= until_us:
        raise InvalidParameterError("since: this is not before until; a calendar needs some time")
    if until_us - since_us > MOST_DAYS * _DAY_US:
        raise InvalidParameterError(
            f"since: a calendar has at most {MOST_DAYS} days; ask for a shorter time"
        )
    return replace(filters, since_us=since_us, until_us=until_us)
