"""How long pictures and rows stay: by age, number and bytes; what is pinned stays.

Recent pictures have a bound of bytes of their own, and no other one but that of age.

What was recorded first goes first. That is seen by the numbers of the rows, as a clock that was set
wrongly for a while has dated some of them wrongly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    func,
    null,
    or_,
    select,
    update,
)

from takt.core.errors import ConfigurationError
from takt.recording.multiview.parts import remove_parts
from takt.recording.pictures import PictureKey
from takt.recording.recent import (
    RECENT,
    RecentPictures,
    beyond_fair,
    recent_by,
    recent_pictures,
)
from takt.recording.record import Record
from takt.recording.tables import inspections
from takt.recording.wishes import read_wishes

_DAY_US: Final = 86_400_000_000
_AT_ONCE = 500
"""Most rows of one transaction, so that the database is free again within milliseconds."""

_MOST_DAYS: Final = 1e8
"""Beyond that a database has no number for the moment before which things are too old."""
_MOST: Final = 1e12
_RECENT_BYTES: Final = 2_000_000_000
_FULL_FREE_BYTES: Final = 1_000_000_000
"""Recent pictures leave as much of the disk to others."""
_MOST_NAMED = 100
"""So many stations are named to the database, which then hands over no rows of others."""


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Bounds of what is kept; None is no bound.

    Number and bytes do not count recent pictures, which have a bound of their own.

    >>> RetentionRule.read("days=90,gb=20").bytes
    20000000000

    Attributes:
        days: age of the oldest picture.
        pictures: number of pictures.
        bytes: of all pictures.
        recent_bytes: of recent pictures.
        record_days: age of the oldest inspection.
    """

    days: float | None = None
    pictures: int | None = None
    bytes: int | None = None
    recent_bytes: int = _RECENT_BYTES
    record_days: float | None = None

    @classmethod
    def read(cls, text: str) -> RetentionRule:
        """The rule of a text such as `days=90,gb=20`.

        Raises:
            ConfigurationError: the text is no such rule.
        """
        numbers = ("days", "pictures", "gb", "recent_gb", "record_days")
        wishes = read_wishes("retain", text, numbers=numbers)
        count, gigabytes = wishes.get("pictures"), wishes.get("gb")
        recent = wishes.get("recent_gb", _RECENT_BYTES / 1e9)
        if recent > _MOST:
            raise ConfigurationError(
                f"retain={text}: `recent_gb` is a number of gigabytes, such as recent_gb=2, as "
                "every picture is kept until there are so many"
            )
        for name, number in wishes.items():
            if number > (_MOST_DAYS if name.endswith("days") else _MOST):
                raise ConfigurationError(
                    f"retain={text}: `{name}` is no bound; leave it out where there is to be none"
                )
        return cls(
            days=wishes.get("days"),
            pictures=None if count is None else int(count),
            bytes=None if gigabytes is None else int(gigabytes * 1e9),
            recent_bytes=int(recent * 1e9),
            record_days=wishes.get("record_days"),
        )


@dataclass(slots=True)
class Swept:
    """What a sweep has removed.

    Attributes:
        pictures: that a bound of age, number or bytes did not allow.
        bytes: of these.
        rows: inspections.
        recent: pictures that made room for newer ones.
    """

    pictures: int = 0
    bytes: int = 0
    rows: int = 0
    recent: int = 0


@dataclass(slots=True)
class Retention:
    """Removes what a rule does not keep; used by one thread.

    A row lets go of its picture before the file goes: where a process ends in between, a file is
    left that no row names, and `takt records check` removes it.

    Attributes:
        record: that is swept.
        rule: what stays.
        stop: tells that a sweep is to end early.
        free_bytes: tells what the disk has left.
        kept_bytes: of all pictures; counted on the disk at the first sweep.
        recent: those of them that are there as recent ones alone; counted by each sweep.
    """

    record: Record
    rule: RetentionRule
    stop: Callable[[], bool] = lambda: False
    free_bytes: Callable[[], int] = lambda: sys.maxsize
    kept_bytes: int | None = field(default=None, init=False)
    recent: RecentPictures = field(default_factory=RecentPictures, init=False)
    _recent_added: int = field(default=0, init=False)

    def added(self, size: int, *, recent: bool = False) -> None:
        """Count the bytes of a new file."""
        if self.kept_bytes is not None:
            self.kept_bytes += size
        if recent:
            self._recent_added += size

    @property
    def takes_recent(self) -> bool:
        """Whether the disk has room enough for recent pictures as well."""
        return self.free_bytes() >= _FULL_FREE_BYTES

    def recent_due(self, workers: int) -> bool:
        """Whether there are more recent pictures than there may be, by what is known of them.

        Args:
            workers: that keep as many as this one.
        """
        known = self.recent.bytes + self._recent_added * workers
        return known > self.rule.recent_bytes or bool(known and not self.takes_recent)

    def sweep(self, now_us: int, *, by_age: bool = True) -> Swept:
        """Remove what the rule does not keep.

        Args:
            now_us: in µs of Unix time.
            by_age: whether that moment is to be believed; else nothing goes for its age.

        Raises:
            RecordError: the database or the disk does not answer.
        """
        if self.kept_bytes is None:
            self.kept_bytes = sum(size for _, size in self.record.pictures.files())
        swept, rule = Swept(), self.rule
        if by_age and rule.record_days is not None:
            self._remove_rows(_Age(now_us, rule.record_days), swept)
            remove_parts(self.record.database, now_us - int(rule.record_days * _DAY_US), self.stop)
        # By its row's age as well: the last row stays, and its picture does not.
        ages = [age for age in (rule.days, rule.record_days) if age is not None]
        if by_age and ages:
            self._let_old_go(_Age(now_us, min(ages)), swept)
        swept.recent = self.sweep_recent().pictures
        if rule.pictures is not None:
            over = self._number() - self.recent.pictures - rule.pictures
            while over > 0 and not self.stop():
                done = self._let_go(swept, min(over, _AT_ONCE))
                over -= done
                if not done:
                    break
        if rule.bytes is not None:
            while self.kept_bytes - self.recent.bytes > rule.bytes and not self.stop():
                # A tenth of the usual number, as so few may be enough.
                if not self._let_go(swept, _AT_ONCE // 10):
                    break
        return swept

    def sweep_recent(self) -> Swept:
        """Where there are too many, remove the oldest recent pictures of stations that have most.

        Some more go than have to, so that the next ones find room for a while.

        Raises:
            RecordError: the database or the disk does not answer.
        """
        swept = Swept()
        self._recent_added = 0
        with self.record.database.reading() as connection:
            self.recent = recent_pictures(connection)
        size, most = self.recent.bytes, self.rule.recent_bytes
        least = min(size, size + self.free_bytes() - _FULL_FREE_BYTES)
        if size > most or least < size:
            self._let_recent_go(max(0, min(least, most - most // 10)), swept)
        return swept

    def _let_recent_go(self, most_bytes: int, swept: Swept) -> None:
        """Walk through recent pictures, the oldest first, until so many bytes are left."""
        left = {one.station: one for one in self.recent.stations}
        beyond = beyond_fair(self.recent.stations, most_bytes)
        over = self.recent.bytes - most_bytes
        columns = inspections.c
        oldest = (
            select(*_OF_PICTURE, columns.station, columns.input_bytes)
            .where(_RECENT_IN_ORDER, *_of_stations(beyond))
            .order_by(columns.id)
            .limit(_AT_ONCE)
        )
        after = -1
        while over > 0 and not self.stop():
            with self.record.database.writing() as connection:
                found = connection.execute(oldest.where(columns.id > after)).all()
                going = []
                for row in found:
                    if over > 0 and beyond.get(row.station, 0) > 0:
                        going.append(row)
                        beyond[row.station] -= row.input_bytes
                        left[row.station] = left[row.station].without(row.input_bytes)
                        over -= row.input_bytes
                if going:
                    # Somebody may have judged or pinned one meanwhile.
                    still = (~columns.pinned, columns.judgement.is_(None))
                    gone = and_(columns.id.in_([row.id for row in going]), *still)
                    connection.execute(
                        update(inspections).where(gone).values(picture=False, kept=None)
                    )
            self._remove_files(going, swept)
            self.recent = RecentPictures(tuple(one for one in left.values() if one.pictures))
            if len(found) < _AT_ONCE:
                return
            after = found[-1].id

    def _number(self) -> int:
        with self.record.database.reading() as connection:
            query = select(func.count()).where(inspections.c.picture)
            return int(connection.execute(query).scalar_one())

    def _let_go(self, swept: Swept, most: int) -> int:
        """Remove the oldest pictures that are neither pinned nor recent; the number of rows."""
        oldest = _REMOVABLE.where(_NOT_RECENT).limit(most)
        with self.record.database.writing() as connection:
            found = connection.execute(oldest).all()
            _let_pictures_go(connection, found)
        self._remove_files(found, swept)
        return len(found)

    def _let_old_go(self, age: _Age, swept: Swept) -> None:
        """Remove pictures that are too old and not pinned, recent ones as well."""
        after = -1
        while not self.stop():
            with self.record.database.writing() as connection:
                found = connection.execute(
                    _REMOVABLE.where(inspections.c.id > after).limit(_AT_ONCE)
                ).all()
                if after < 0 and found:
                    age.follow(connection, found[0].id)
                old = age.old(found)
                _let_pictures_go(connection, old)
            self._remove_files(old, swept)
            if age.reached or len(found) < _AT_ONCE:
                return
            after = found[-1].id

    def _remove_rows(self, age: _Age, swept: Swept) -> None:
        # The highest number stays, as SQLite would give it again, and who follows the record would
        # take what comes for what it has.
        last = select(func.max(inspections.c.id)).scalar_subquery()
        oldest = (
            select(*_OF_PICTURE, inspections.c.picture)
            .where(~inspections.c.pinned, inspections.c.id < last)
            .order_by(inspections.c.id)
            .limit(_AT_ONCE)
        )
        after = -1
        while not self.stop():
            with self.record.database.writing() as connection:
                found = connection.execute(oldest.where(inspections.c.id > after)).all()
                old = age.old(found)
                if old:
                    gone = and_(
                        inspections.c.id.in_([row.id for row in old]), ~inspections.c.pinned
                    )
                    connection.execute(delete(inspections).where(gone))
            swept.rows += len(old)
            self._remove_files([row for row in old if row.picture], swept)
            if age.reached or len(found) < _AT_ONCE:
                return
            after = found[-1].id

    def _remove_files(self, rows: Sequence[_Row], swept: Swept) -> None:
        keys = {_path_of(row): row.sha256 for row in rows if row.sha256 is not None}
        if not keys:
            return
        with self.record.database.reading() as connection:
            others = connection.execute(
                select(*_OF_PICTURE).where(
                    inspections.c.picture, inspections.c.sha256.in_(keys.values())
                )
            ).all()
        shared = {_path_of(row) for row in others}
        for path in keys.keys() - shared:
            size = self.record.pictures.remove(path)
            swept.pictures += 1
            swept.bytes += size
            # Below 0 for a while, where another worker has kept it and did not tell yet.
            self.kept_bytes = (self.kept_bytes or 0) - size


class _Age:
    """Tells which rows are too old, as they come in the order in which they were recorded.

    A date that lies ahead, or before that of a row that was recorded earlier, is a wrong clock's.
    Such a row is known to be too old only where a later one is.

    Args:
        now_us: a moment that is to be believed, in µs of Unix time.
        days: that rows may be old.

    Attributes:
        reached: whether a row was met that is not too old; so is then no later one.
    """

    def __init__(self, now_us: int, days: float) -> None:
        self.reached = False
        self._now_us = now_us
        self._before_us = now_us - int(days * _DAY_US)
        self._highest_us = -sys.maxsize

    def follow(self, connection: Connection, first: int) -> None:
        """Go on from the row before the first one that will come, whose picture has gone."""
        before = select(inspections.c.at_us).where(inspections.c.id < first)
        found = connection.execute(before.order_by(inspections.c.id.desc()).limit(1)).scalar()
        if found is not None and found <= self._now_us:
            self._highest_us = found

    def old(self, rows: Sequence[_Row]) -> Sequence[_Row]:
        """The first rows of these, up to the last one that is too old."""
        number = 0
        for end, row in enumerate(rows, start=1):
            if row.at_us > self._now_us:
                continue
            if row.at_us >= self._before_us:
                self.reached = True
                break
            if row.at_us >= self._highest_us:
                self._highest_us, number = row.at_us, end
        return rows[:number]


_Row = Row[*tuple[Any, ...]]

_OF_PICTURE = (
    inspections.c.id,
    inspections.c.at_us,
    inspections.c.sha256,
    inspections.c.input_format,
)
_REMOVABLE = (
    select(*_OF_PICTURE)
    .where(inspections.c.picture, ~inspections.c.pinned)
    .order_by(inspections.c.id)
)
_RECENT_IN_ORDER = recent_by(func.coalesce(inspections.c.kept, ""))
"""As `RECENT`, without the index of `kept`, which has them by date and not by number."""
_NOT_RECENT = or_(
    inspections.c.kept.is_(None),
    inspections.c.kept != "recent",
    inspections.c.judgement.is_not(None),
)
"""Holds of unpinned pictures that are there for another reason than being recent."""
GONE: Final = {
    inspections.c.picture: False,
    # An inspection whose recent picture has gone is as one that never had it.
    inspections.c.kept: case((RECENT, null()), else_=inspections.c.kept),
}
"""What the rows say whose pictures have gone."""


def _path_of(row: _Row) -> str:
    return PictureKey(row.at_us, row.sha256.hex(), row.input_format).path


def _let_pictures_go(connection: Connection, rows: Sequence[_Row]) -> None:
    """Rows let go of their pictures, but for one that somebody has pinned meanwhile."""
    if rows:
        gone = and_(inspections.c.id.in_([row.id for row in rows]), ~inspections.c.pinned)
        connection.execute(update(inspections).where(gone).values(GONE))


def _of_stations(stations: Collection[str | None]) -> list[ColumnElement[bool]]:
    """A condition that the station is one of these; none where they are many."""
    if len(stations) > _MOST_NAMED:
        return []
    named = inspections.c.station.in_([one for one in stations if one is not None])
    return [or_(named, inspections.c.station.is_(None)) if None in stations else named]
