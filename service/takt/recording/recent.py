"""The last pictures of every station: how many there are, and which go where there are too many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, select

from takt.recording.tables import inspections


def recent_by(kept: ColumnElement[Any]) -> ColumnElement[bool]:
    """As `RECENT`, by the column `kept` or an expression that has its value."""
    columns = inspections.c
    return and_(kept == "recent", columns.picture, ~columns.pinned, columns.judgement.is_(None))


RECENT: Final = recent_by(inspections.c.kept)
"""Holds of inspections whose pictures are there as recent ones alone.

What somebody has judged or pinned stays as other pictures do, until that is taken back.
"""


@dataclass(frozen=True, slots=True)
class StationRecent:
    """Recent pictures of a station.

    Attributes:
        station: its name; None where callers name none.
        oldest_us: time of the oldest one, in µs of Unix time.
        pictures: number of them.
        bytes: of all of them as they came.
    """

    station: str | None
    oldest_us: int
    pictures: int
    bytes: int

    def without(self, size: int) -> StationRecent:
        """What is left where a picture of so many bytes goes; the oldest one is not known anew."""
        return replace(self, pictures=self.pictures - 1, bytes=self.bytes - size)


@dataclass(frozen=True, slots=True)
class RecentPictures:
    """Recent pictures of all stations.

    Attributes:
        stations: those that have some, that of the most bytes first.
    """

    stations: tuple[StationRecent, ...] = ()

    @property
    def pictures(self) -> int:
        """Number of all."""
        return sum(one.pictures for one in self.stations)

    @property
    def bytes(self) -> int:
        """Of all, as they came."""
        return sum(one.bytes for one in self.stations)

    @property
    def oldest_us(self) -> int | None:
        """Time of the oldest of all; None where there is none."""
        return min((one.oldest_us for one in self.stations), default=None)

    @property
    def shortest(self) -> StationRecent | None:
        """The station whose pictures reach back the least; None where there is none."""
        return max(self.stations, key=lambda one: one.oldest_us, default=None)


def recent_pictures(connection: Connection) -> RecentPictures:
    """The recent pictures that are there.

    Args:
        connection: for reading.
    """
    columns = inspections.c
    wanted = (
        select(
            columns.station,
            func.min(columns.at_us),
            func.count(),
            func.sum(columns.input_bytes),
        )
        .where(RECENT)
        .group_by(columns.station)
    )
    found = (
        StationRecent(station, oldest_us, pictures, int(size))
        for station, oldest_us, pictures, size in connection.execute(wanted)
    )
    return RecentPictures(tuple(sorted(found, key=lambda one: (-one.bytes, one.oldest_us))))


def beyond_fair(stations: Iterable[StationRecent], most_bytes: int) -> dict[str | None, float]:
    """Bytes that stations have beyond their fair share; a station within it is missing.

    What a station does not need of its share is for those that need more, so that a busy one never
    takes the pictures of a slow one.

    >>> slow, busy = StationRecent("slow", 0, 1, 10), StationRecent("busy", 0, 9, 90)
    >>> beyond_fair([slow, busy], most_bytes=50)
    {'busy': 50.0}

    Args:
        stations: with their bytes.
        most_bytes: of all of them together.
    """
    left = max(0, most_bytes)
    by_size = sorted(stations, key=lambda one: one.bytes)
    for number, one in enumerate(by_size):
        share = left / (len(by_size) - number)
        if one.bytes > share:
            return {other.station: other.bytes - share for other in by_size[number:]}
        left -= one.bytes
    return {}
