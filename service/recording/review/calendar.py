"""The calendar of a review: what was kept on each day, and how much of it nobody has judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import func, select, text

from service.errors import InvalidParameterError
from service.recording.database import Database
from service.recording.keeping import Reason
from service.recording.search.conditions import conditions
from service.recording.search.filters import Filters
from service.recording.tables import inspections

MOST_DAYS: Final = 400
USUAL_DAYS: Final = 42

_DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)
_REASONS: Final[tuple[Reason, ...]] = ("reject", "near", "sample")
_BY_INDEX: Final = frozenset({"since_us", "until_us", "kept"})


@dataclass(slots=True)
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
    columns = inspections.c
    # By its label, since PostgreSQL takes two parameters of one value for different ones.
    day = ((columns.at_us + offset_minutes * 60_000_000) // _DAY_US).label("day")
    others = {*asked.given} - _BY_INDEX
    reasons = [one for one in _REASONS if asked.kept in (None, "any", one)]
    wanted = (
        select(day, columns.kept, func.count(), func.count(columns.judgement))
        .where(
            columns.kept.in_(reasons),
            *conditions(asked, ("since_us", "until_us")),
            # What is kept is few: another index would read all inspections of a station.
            *conditions(asked, others, by_index=False),
        )
        .group_by(text("day"), columns.kept)
        .order_by(text("day"))
    )
    found: dict[int, ReviewDay] = {}
    with database.reading() as connection:
        for number, kept, count, judged in connection.execute(wanted):
            one = found.setdefault(number, ReviewDay(_EPOCH + timedelta(days=number)))
            name = {"reject": "rejects", "near": "near", "sample": "samples"}[kept]
            setattr(one, name, count)
            one.judged += judged
    return list(found.values())


def _bounded(filters: Filters, now: datetime) -> Filters:
    until_us = filters.until_us
    if until_us is None:
        until_us = int(now.timestamp() * 1e6) + 1
    since_us = filters.since_us
    if since_us is None:
        since_us = until_us - USUAL_DAYS * _DAY_US
    if until_us - since_us > MOST_DAYS * _DAY_US:
        raise InvalidParameterError(
            f"since: a calendar has at most {MOST_DAYS} days; ask for a shorter time"
        )
    return replace(filters, since_us=since_us, until_us=until_us)
