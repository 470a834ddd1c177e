"""Verdicts against judgements, over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, case, func, null, or_, select, text

from takt.core.errors import InvalidParameterError
from takt.recording.database import Database
from takt.recording.keeping import CHOSEN
from takt.recording.review.figures import Layer, ReviewFigures, Stratum, figures_of
from takt.recording.review.witnesses import MAP_SPOKE, UNDECIDED
from takt.recording.search.conditions import conditions
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections

Per = Literal["hour", "day", "week"]

MOST_BUCKETS: Final = 1000

_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = 24 * _HOUR_US
_LENGTH_US: Final[dict[Per, int]] = {"hour": _HOUR_US, "day": _DAY_US, "week": 7 * _DAY_US}
_MONDAY_US: Final = -3 * _DAY_US
"""The Monday before the first day of Unix time, which was a Thursday."""


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """The figures of a stretch of time.

    Attributes:
        since_us: its begin in UTC, in µs of Unix time; weeks begin on Mondays.
        until_us: its end, which does not belong to it.
        figures: of what was answered in it.
    """

    since_us: int
    until_us: int
    figures: ReviewFigures


@dataclass(frozen=True, slots=True)
class ConfusionOverTime:
    """Verdicts against judgements.

    Attributes:
        whole: of all inspections that were asked for.
        buckets: the same by time, oldest first; none where nothing was inspected.
    """

    whole: ReviewFigures
    buckets: tuple[TimeBucket, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A number of inspections that are alike.

    Attributes:
        anomalous: the verdict that was given.
        rejected: the verdict that is looked at, which may be that of another threshold.
        kept: why their pictures were chosen; None where they were not, though they may be there.
        judgement: the latest one; None for none.
        count: number of them.
    """

    anomalous: bool
    rejected: bool
    kept: str | None
    judgement: str | None
    count: int


def confusion(database: Database, filters: Filters, per: Per = "day") -> ConfusionOverTime:
    """Verdicts against judgements over time.

    What could not be judged is no mistake of the model, until a person has judged it.

    Args:
        database: of the record.
        filters: of the inspections.
        per: length of a bucket, in UTC.

    Raises:
        InvalidParameterError: there would be more than 1000 buckets.
        RecordError: the database cannot be read.
    """
    length_us = _LENGTH_US[per]
    begin_us = _MONDAY_US if per == "week" else 0
    columns = inspections.c
    bucket = (columns.at_us - begin_us) // length_us
    found: defaultdict[int, list[Group]] = defaultdict(list)
    counted = or_(~UNDECIDED, columns.judgement.is_not(None))
    for number, anomalous, *rest in _counted(database, filters, counted, bucket, columns.anomalous):
        found[number].append(Group(anomalous, anomalous, *rest))
    if len(found) > MOST_BUCKETS:
        raise InvalidParameterError(
            f"these are {len(found)} {per}s, more than {MOST_BUCKETS}; ask for a shorter time, or "
            "for longer stretches of it"
        )
    strata = {number: strata_of(found[number]) for number in sorted(found)}
    return ConfusionOverTime(
        figures_of(one for of_bucket in strata.values() for one in of_bucket),
        tuple(
            TimeBucket(
                begin_us + number * length_us,
                begin_us + (number + 1) * length_us,
                figures_of(of_bucket),
            )
            for number, of_bucket in strata.items()
        ),
    )


def groups_at(database: Database, filters: Filters, threshold: float) -> list[Group]:
    """All inspections in groups, with the verdicts that another threshold of the score would give.

    The threshold of the map is that of then: what showed a region is rejected at each threshold.
    What could not be judged is left out, as no threshold turns it.

    Raises:
        RecordError: the database cannot be read.
    """
    columns = inspections.c
    # A comparison is a number in SQLite.
    above = case((or_(columns.score > threshold, MAP_SPOKE), 1), else_=0)
    return [
        Group(anomalous, bool(rejected), *rest)
        for anomalous, rejected, *rest in _counted(
            database, filters, ~UNDECIDED, columns.anomalous, above
        )
    ]


def strata_of(groups: Iterable[Group]) -> list[Stratum]:
    """The strata of groups, by the verdict that is looked at."""
    groups = list(groups)
    keeps_rejects = any(group.kept == "reject" for group in groups)
    return [_stratum(group, keeps_rejects=keeps_rejects) for group in groups]


def layer_of(kept: str | None) -> Layer:
    """The layer of inspections, by why their pictures were kept."""
    if kept == "reject":
        return "reject"
    return "near" if kept == "near" else "rest"


def _stratum(group: Group, *, keeps_rejects: bool) -> Stratum:
    layer = layer_of(group.kept)
    if keeps_rejects and group.anomalous and group.kept is None:
        # Where rejects are kept, one without its picture lost it by accident.
        layer = "reject"
    chosen = group.kept is not None
    good = group.count if group.judgement == "good" else 0
    defects = group.count if group.judgement == "defect" else 0
    return Stratum(
        rejected=group.rejected,
        layer=layer,
        inspections=group.count,
        kept=group.count if chosen else 0,
        good=good if chosen else 0,
        defects=defects if chosen else 0,
        unsure=group.count if group.judgement == "unsure" else 0,
        good_by_hand=0 if chosen else good,
        defects_by_hand=0 if chosen else defects,
    )


def _counted(
    database: Database, filters: Filters, also: ColumnElement[bool], *by: ColumnElement[Any]
) -> list[Any]:
    """Rows of the columns, why pictures were chosen, the judgement, and how many there are.

    Args:
        database: of the record.
        filters: of the inspections.
        also: holds of those that count.
        by: columns.
    """
    # By its label, since PostgreSQL takes two parameters of one value for different ones.
    named = [column.label(f"by_{number}") for number, column in enumerate(by)]
    # A recent picture may be gone tomorrow, and figures of a time must not change with it.
    kept = inspections.c.kept
    chosen = case((kept.in_(CHOSEN), kept), else_=null()).label("chosen")
    columns = (*named, chosen, inspections.c.judgement)
    wanted = (
        select(*columns, func.count())
        .where(*conditions(filters), also)
        .group_by(*(text(column.name) for column in (*named, chosen)), inspections.c.judgement)
    )
    with database.reading() as connection:
        return list(connection.execute(wanted))
