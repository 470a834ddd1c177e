"""Judged pictures as folders, `good` and `defect`, that `takt learn`, `calibrate`, `eval` read.

What was said of each picture stands beside them, in the lines of `takt.core.judged`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, func, select

from takt.core.errors import (
    ConfigurationError,
    InspectionNotFoundError,
    InvalidParameterError,
    NoRoomError,
)
from takt.core.judged import LINES, WORDS, JudgedFile, JudgedWord
from takt.recording.database import Database
from takt.recording.pictures import ChangedPictureError, PictureKey, PictureStore
from takt.recording.record import Record
from takt.recording.review.history import Said, said_of, standing
from takt.recording.search.conditions import conditions
from takt.recording.search.filters import Filters
from takt.recording.search.times import time_of
from takt.recording.tables import inspections

MOST_TAUGHT: Final = 5_000
"""Pictures that a server hands on to a learning at most; the latest judged ones."""

_CHUNK: Final = 1000
READ_AGAIN: Final = frozenset({".jpg", ".png", ".bmp", ".webp", ".tif"})
"""Endings of files that learning reads."""

logger = logging.getLogger("takt.record")


@dataclass(frozen=True, slots=True)
class ExportedFolders:
    """What an export of judged pictures wrote, and what it left out.

    Attributes:
        good: pictures in `good`.
        defects: pictures in `defect`.
        unsure: inspections left out as judged unsure.
        missing: left out as their pictures are not kept, or not any more.
        repeated: left out as the same picture is there by a later judgement; where there is no room
            for all, some of these may count as older instead.
        unread: left out as their files are of no format that is read again, or are damaged.
        older: left out as there is no room for more, and these were judged before all others.
    """

    good: int
    defects: int
    unsure: int
    missing: int
    repeated: int
    unread: int
    older: int = 0

    def lines(self) -> list[str]:
        """The export for people, line by line."""
        left_out = {
            "judged unsure": self.unsure,
            "whose pictures are not kept (any more)": self.missing,
            "whose picture is there by a later judgement": self.repeated,
            "whose pictures cannot be read (again)": self.unread,
            "judged before these, which are as many as may be": self.older,
        }
        return [
            f"{self.good} good, {self.defects} defective",
            *(f"left out: {count} {why}" for why, count in left_out.items() if count),
        ]


class _Judged(NamedTuple):
    """A judged inspection: enough to choose the pictures."""

    id: int
    judged_at_us: int
    sha256: bytes | None
    picture: bool
    input_bytes: int

    @property
    def age(self) -> tuple[int, int]:
        """Higher for what was judged later."""
        return self.judged_at_us, self.id


class _Stored(NamedTuple):
    """A chosen inspection: enough to write its picture."""

    id: int
    at_us: int
    model: str
    version: str
    judgement: str | None
    sha256: bytes
    input_format: str


class _Latest:
    """The inspections whose pictures are written: of each picture the one judged last.

    Args:
        most: pictures; None for all.
        most_bytes: that they had as they came; None for no bound.
    """

    def __init__(self, most: int | None, most_bytes: int | None = None) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._by_picture: dict[bytes, _Judged] = {}
        self.missing = self.repeated = self.older = 0

    def add(self, row: _Judged) -> None:
        """Take an inspection into account."""
        if not row.picture or row.sha256 is None:
            self.missing += 1
            return
        known = self._by_picture.get(row.sha256)
        self.repeated += known is not None
        if known is None or known.age < row.age:
            self._by_picture[row.sha256] = row
        # What falls out has as many later ones before it, whatever comes.
        if self._most is not None and len(self._by_picture) > 2 * self._most:
            self._cut()

    def ids(self) -> list[int]:
        """The chosen inspections, in the order of their numbers."""
        self._cut()
        return sorted(row.id for row in self._by_picture.values())

    def _cut(self) -> None:
        latest = sorted(self._by_picture.items(), key=lambda one: one[1].age, reverse=True)
        kept = latest[: self._most]
        if self._most_bytes is not None:
            sizes = accumulate(row.input_bytes for _, row in kept)
            kept = kept[: sum(size <= self._most_bytes for size in sizes)]
        self._by_picture = dict(kept)
        self.older += len(latest) - len(kept)


def export_folders(
    record: Record,
    filters: Filters,
    folder: Path,
    most: int | None = None,
    *,
    most_bytes: int | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> ExportedFolders:
    """Write judged pictures as they came into folders `good` and `defect`, and what was said.

    The latest judgement of an inspection counts; where the same picture was inspected several
    times, the latest of all. Raw pixels become PNG files. A file is named by its inspection:
    `inspection-12.png`. One picture is in memory at a time.

    Args:
        record: with the pictures.
        filters: of the inspections, which are of one model.
        folder: that is written; there is none yet, or an empty one.
        most: pictures; the latest judged ones are written, `MOST_TAUGHT` of them for a server that
            learns. None for all.
        most_bytes: that these had as they came, raw pixels before they became PNG files.
        told: is told how many of how many pictures are done, before each one; what it raises ends
            the export.

    Raises:
        ConfigurationError: the folder is not empty, or cannot be written.
        InspectionNotFoundError: there is no judged picture.
        InvalidParameterError: the inspections are of several models.
        NoRoomError: not even the latest picture fits into the bytes.
        RecordError: the database or the pictures cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            f"{folder} is there already, and what is in it would mix with the pictures; name "
            "another folder"
        )
    if folder.name in ("", ".."):
        raise ConfigurationError(
            f"{folder} has no name of its own; name a folder in it, such as {folder / 'judged'}"
        )
    _refuse_several_models(record.database, filters)
    latest = _Latest(most, most_bytes)
    for row in _judged(record.database, filters):
        latest.add(row)
    unfinished = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        ids = latest.ids()
        if latest.older and not ids:
            raise NoRoomError("there is no room for a single judged picture; make room on the disk")
        became = _write_all(record, ids, unfinished, told)
        if not became["good"] + became["defect"]:
            raise InspectionNotFoundError(
                "no such inspection is judged good or a defect and has its picture"
            )
        os.replace(unfinished, folder)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return ExportedFolders(
        good=became["good"],
        defects=became["defect"],
        unsure=_unsure(record.database, filters),
        missing=became["missing"] + latest.missing,
        repeated=latest.repeated,
        unread=became["unread"],
        older=latest.older,
    )


_Became = Literal["good", "defect", "missing", "unread", "withdrawn"]
"""Where a picture is, or why it is not."""


def _write_all(
    record: Record, ids: Sequence[int], folder: Path, told: Callable[[int, int], None]
) -> Counter[_Became]:
    """Write the pictures of inspections, and the lines about them, below a folder."""
    folder.mkdir(parents=True)
    became: Counter[_Became] = Counter()
    with (folder / LINES).open("wb") as lines:
        for begin in range(0, len(ids), _CHUNK):
            some = ids[begin : begin + _CHUNK]
            with record.database.reading() as connection:
                wanted = select(*(inspections.c[name] for name in _Stored._fields))
                rows = connection.execute(wanted.where(inspections.c.id.in_(some))).all()
                said = said_of(connection, some)
            for row in sorted(_Stored(*row) for row in rows):
                told(became.total(), len(ids))
                stands = standing(said.get(row.id, ()))
                became[_written(record.pictures, row, stands, folder, lines)] += 1
    return became


def _written(
    pictures: PictureStore,
    row: _Stored,
    stands: Sequence[Said],
    folder: Path,
    lines: BinaryIO,
) -> _Became:
    """Write a picture below a folder, and its line; says where it is, or why it is not."""
    word: JudgedWord | None = next((one for one in WORDS if one == row.judgement), None)
    if word is None:
        # Just now, since it was chosen.
        return "withdrawn"
    key = PictureKey(row.at_us, row.sha256.hex(), row.input_format)
    suffix = Path(key.path).suffix
    if suffix not in READ_AGAIN:
        return "unread"
    try:
        data = pictures.read_file(key)
    except InspectionNotFoundError:
        return "missing"
    except ChangedPictureError as error:
        logger.warning("inspection %d is left out: %s", row.id, error)
        return "unread"
    judged = JudgedFile(
        file=f"{word}/inspection-{row.id}{suffix}",
        sha256=hashlib.sha256(data).hexdigest(),
        judgement=word,
        inspection=row.id,
        model=row.model,
        version=row.version,
    )
    if stands:
        judged = replace(
            judged,
            kind=stands[-1].kind,
            box=stands[-1].box,
            judgement_id=stands[-1].id,
            reviewer=stands[-1].reviewer,
            judged_at=time_of(stands[-1].at_us),
            disputed=_disputed(stands),
        )
    (folder / word).mkdir(exist_ok=True)
    (folder / judged.file).write_bytes(data)
    lines.write(judged.line())
    return word


def _disputed(stands: Sequence[Said]) -> bool:
    """Whether the last words of two reviewers are good and defect."""
    last = {one.reviewer: one.judgement for one in stands}
    return {*WORDS} <= {*last.values()}


def _refuse_several_models(database: Database, filters: Filters) -> None:
    wanted = select(inspections.c.model).distinct().where(*_wanted(filters))
    with database.reading() as connection:
        models = sorted(connection.execute(wanted).scalars())
    if len(models) > 1:
        raise InvalidParameterError(
            f"model: these are parts of several models ({', '.join(models)}), and one learns one "
            "kind of part; name the model"
        )


def _judged(database: Database, filters: Filters) -> Iterator[_Judged]:
    """What is judged good or a defect, in short transactions."""
    wanted = select(*(inspections.c[name] for name in _Judged._fields)).where(*_wanted(filters))
    for row in database.in_order(wanted, inspections.c.id, _CHUNK):
        yield _Judged(*row)


def _wanted(filters: Filters) -> list[ColumnElement[bool]]:
    return [*conditions(filters), inspections.c.judgement.in_(WORDS)]


def _unsure(database: Database, filters: Filters) -> int:
    wanted = (
        select(func.count())
        .select_from(inspections)
        .where(*conditions(filters), inspections.c.judgement == "unsure")
    )
    with database.reading() as connection:
        return int(connection.execute(wanted).scalar_one())
