"""How a fact has gone at a station: its course over time, and what is usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from takt.core.domain import FactName
from takt.core.pictures.facts import FACT_NAMES
from takt.core.pictures.good_facts import GoodFacts
from takt.recording.tables import inspections
from takt.recording.watch.known import stored_facts

MOST_PICTURES: Final = 20_000
"""Most pictures of a course, the latest."""

POINTS: Final = 200
"""Most points of a course."""

_QUANTILES: Final = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True)
class FactSpread:
    """Where most values of a fact lie: nine of ten between `low` and `high`."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class CoursePoint:
    """Some pictures that follow each other.

    Attributes:
        at_us: time of the first one, in µs of Unix time.
        inspection_id: of the first one.
        spread: of the fact over them.
    """

    at_us: int
    inspection_id: int
    spread: FactSpread


@dataclass(frozen=True, slots=True)
class FactCourse:
    """The course of a fact.

    Attributes:
        usual: over the good pictures of the calibration; None where it is not known.
        points: the earliest first.
        pictures: number of all pictures in them.
    """

    usual: FactSpread | None
    points: tuple[CoursePoint, ...]
    pictures: int


def course_of(
    connection: Connection,
    model: str,
    station: str,
    fact: FactName,
    facts: GoodFacts | None,
    version: str | None = None,
) -> FactCourse:
    """The course of a fact over the latest pictures of a model at a station.

    Args:
        connection: for reading.
        model: name of the model.
        station: empty for pictures without one.
        fact: whose course it is.
        facts: of the good pictures of the version.
        version: whose pictures; of any version if None.
    """
    column = FACT_NAMES.index(fact)
    rows = connection.execute(
        select(inspections.c.id, inspections.c.at_us, inspections.c.facts)
        .where(
            inspections.c.model == model,
            func.coalesce(inspections.c.station, "") == station,
            inspections.c.facts.is_not(None),
            *([] if version is None else [inspections.c.version == version]),
        )
        .order_by(inspections.c.at_us.desc())
        .limit(MOST_PICTURES)
    ).all()[::-1]
    values = np.array([stored_facts(row.facts)[column] for row in rows], np.float64)
    each = max(1, -(-len(rows) // POINTS))
    points = []
    for start in range(0, len(rows), each):
        spread = _spread(values[start : start + each])
        if spread is not None:
            points.append(CoursePoint(rows[start].at_us, rows[start].id, spread))
    usual = None if facts is None else _spread(facts.table[:, column].astype(np.float64))
    return FactCourse(usual, tuple(points), len(rows))


def _spread(values: NDArray[np.float64]) -> FactSpread | None:
    known = values[~np.isnan(values)]
    return FactSpread(*np.quantile(known, _QUANTILES).tolist()) if len(known) else None
