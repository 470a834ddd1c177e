"""Compares rows with pictures: each kept picture has a row, and each row that has one, its file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, text, update

from takt.core.errors import InspectionNotFoundError, RecordError
from takt.recording.pictures import PictureKey
from takt.recording.record import Record
from takt.recording.retention import GONE
from takt.recording.tables import inspections

YOUNG_S = 60.0
"""A picture this young may wait for its row, which a server is about to store."""

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check has found.

    Attributes:
        rows: inspections that have a picture.
        files: pictures on the disk.
        missing: ids of inspections whose picture is not there.
        changed: ids of inspections whose picture is not what was inspected.
        orphans: paths of pictures that no inspection has, and of files that were left half written.
    """

    rows: int
    files: int
    missing: tuple[int, ...]
    changed: tuple[int, ...]
    orphans: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether rows and pictures agree."""
        return not (self.missing or self.changed or self.orphans)


def check_record(record: Record, *, content: bool = False, young_s: float = YOUNG_S) -> Checked:
    """Compare the rows of a record with its pictures; a server may go on meanwhile.

    Args:
        record: to check.
        content: whether each picture is read and compared with its hash.
        young_s: a file younger than this is no orphan yet.

    Raises:
        RecordError: the database is damaged, or it or the disk does not answer.
    """
    _check_database(record)
    # By now, as reading all pictures takes long: what was young may have waited for its row.
    before_s = time.time() - young_s
    # Files first: whatever is stored meanwhile has its row when the rows are read.
    files = {path for path, _ in record.pictures.files()}
    rows, missing, changed, known = 0, [], [], set()
    for number, key in _pictures(record):
        rows += 1
        known.add(key.path)
        if key.path not in files and not (record.pictures.folder / key.path).is_file():
            missing.append(number)
        elif content:
            try:
                record.pictures.read(key)
            except InspectionNotFoundError:
                missing.append(number)
            except RecordError:
                changed.append(number)
    orphans = [
        path for path in sorted(files - known) if _age(record.pictures.folder / path) < before_s
    ]
    still = _with_picture(record, missing)
    return Checked(rows, len(files), tuple(still), tuple(changed), tuple(orphans))


def repair(record: Record, checked: Checked) -> None:
    """Put right what a check has found: rows without a picture say so, and orphans go.

    A picture that was changed stays, as somebody has to look at it. No orphan goes while the
    database takes nothing, as it may wait for its row in a server for that very reason.

    Raises:
        RecordError: the database or the disk does not answer, or the database takes nothing.
    """
    record.database.check_writable()
    for start in range(0, len(checked.missing), _AT_ONCE):
        some = checked.missing[start : start + _AT_ONCE]
        with record.database.writing() as connection:
            connection.execute(update(inspections).where(inspections.c.id.in_(some)).values(GONE))
    # Looked at again: it may have taken rows since the check.
    known = {key.path for _, key in _pictures(record)} if checked.orphans else set()
    for path in checked.orphans:
        if path not in known:
            record.pictures.remove(path)


def _check_database(record: Record) -> None:
    if not record.database.is_sqlite:
        return
    with record.database.reading() as connection:
        found = connection.execute(text("PRAGMA quick_check(1)")).scalar()
    if found != "ok":
        raise RecordError(f"the database {record.database.name} is damaged: {found}")


def _pictures(record: Record) -> Iterator[tuple[int, PictureKey]]:
    """Id and key of each picture that a row has."""
    columns = (inspections.c.id, inspections.c.at_us, inspections.c.sha256)
    query = select(*columns, inspections.c.input_format).where(inspections.c.picture)
    for row in record.database.in_order(query, inspections.c.id):
        yield row.id, PictureKey(row.at_us, row.sha256.hex(), row.input_format)


def _with_picture(record: Record, ids: list[int]) -> list[int]:
    """Those of some inspections that still have a picture: a server may have let one go by now."""
    found: list[int] = []
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        wanted = select(inspections.c.id).where(inspections.c.id.in_(some), inspections.c.picture)
        with record.database.reading() as connection:
            found += connection.execute(wanted.order_by(inspections.c.id)).scalars()
    return found


def _age(path: Path) -> float:
    """When a file was written, in Unix time; never, if it is gone."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return float("inf")
