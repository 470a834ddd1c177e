"""Judged pictures as folders, `good` and `defect`, that `takt learn`, `calibrate`, `eval` read."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from sqlalchemy import func, select

from service.core.domain import RawPicture
from service.core.errors import (
    ConfigurationError,
    InspectionNotFoundError,
    InvalidParameterError,
)
from service.recording.database import Database
from service.recording.pictures import PictureKey, PictureStore, png_of
from service.recording.record import Record
from service.recording.search.conditions import conditions
from service.recording.search.filters import Filters
from service.recording.tables import inspections

_CHUNK: Final = 1000
_FORMATS: Final = frozenset({".jpg", ".png", ".bmp", ".webp", ".tif"})


@dataclass(frozen=True, slots=True)
class ExportedFolders:
    """What an export of judged pictures wrote, and what it left out.

    Attributes:
        good: pictures in `good`.
        defects: pictures in `defect`.
        unsure: inspections left out as judged unsure.
        missing: left out as their pictures are not kept, or not any more.
        repeated: left out as the same picture is there by a later judgement.
        unknown: left out as their files are of no format that is read again.
    """

    good: int
    defects: int
    unsure: int
    missing: int
    repeated: int
    unknown: int

    def lines(self) -> list[str]:
        """The export for people, line by line."""
        left_out = {
            "judged unsure": self.unsure,
            "whose pictures are not kept (any more)": self.missing,
            "whose picture is there by a later judgement": self.repeated,
            "of a format that is not read": self.unknown,
        }
        return [
            f"{self.good} good, {self.defects} defective",
            *(f"left out: {count} {why}" for why, count in left_out.items() if count),
        ]


class _Judged(NamedTuple):
    """What is asked of a judged inspection."""

    id: int
    at_us: int
    model: str
    judgement: str
    judged_at_us: int
    sha256: bytes | None
    input_format: str
    kept: str | None


def export_folders(record: Record, filters: Filters, folder: Path) -> ExportedFolders:
    """Write judged pictures as they came into folders `good` and `defect`.

    The latest judgement of an inspection counts; where the same picture was inspected several
    times, the latest of all. Raw pixels become PNG files. A file is named by its inspection:
    `inspection-12.png`.

    Args:
        record: with the pictures.
        filters: of the inspections, which are of one model.
        folder: that is written; there is none yet, or an empty one.

    Raises:
        ConfigurationError: the folder is not empty, or cannot be written.
        InspectionNotFoundError: there is no judged picture.
        InvalidParameterError: the inspections are of several models.
        RecordError: the database or the pictures cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            f"{folder} is there already, and what is in it would mix with the pictures; name "
            "another folder"
        )
    rows = list(_judged(record.database, filters))
    _refuse_several_models(rows)
    kept = [row for row in rows if row.kept is not None and row.sha256 is not None]
    by_age = sorted(kept, key=lambda row: (row.judged_at_us, row.id))
    latest = {row.sha256: row for row in by_age}
    unfinished = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        became = Counter(_written(record.pictures, row, unfinished) for row in latest.values())
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
        missing=became["missing"] + len(rows) - len(kept),
        repeated=len(kept) - len(latest),
        unknown=became["unknown"],
    )


def _written(
    pictures: PictureStore, row: _Judged, folder: Path
) -> Literal["good", "defect", "missing", "unknown"]:
    """Write a picture below a folder; says where it is, or why it is not."""
    assert row.sha256 is not None
    key = PictureKey(row.at_us, row.sha256.hex(), row.input_format)
    suffix = Path(key.path).suffix
    if suffix not in _FORMATS:
        return "unknown"
    try:
        picture = pictures.read(key)
    except InspectionNotFoundError:
        return "missing"
    name: Literal["good", "defect"] = "good" if row.judgement == "good" else "defect"
    (folder / name).mkdir(parents=True, exist_ok=True)
    data = png_of(picture) if isinstance(picture, RawPicture) else picture
    (folder / name / f"inspection-{row.id}{suffix}").write_bytes(data)
    return name


def _refuse_several_models(rows: list[_Judged]) -> None:
    models = sorted({row.model for row in rows})
    if len(models) > 1:
        raise InvalidParameterError(
            f"model: these are parts of several models ({', '.join(models)}), and one learns one "
            "kind of part; name the model"
        )


def _judged(database: Database, filters: Filters) -> Iterator[_Judged]:
    """What is judged good or a defect, in short transactions."""
    columns = inspections.c
    after = 0
    while True:
        wanted = (
            select(*(columns[name] for name in _Judged._fields))
            .where(
                *conditions(filters),
                columns.judgement.in_(("good", "defect")),
                columns.id > after,
            )
            .order_by(columns.id)
            .limit(_CHUNK)
        )
        with database.reading() as connection:
            found = [_Judged(*row) for row in connection.execute(wanted)]
        yield from found
        if len(found) < _CHUNK:
            return
        after = found[-1].id


def _unsure(database: Database, filters: Filters) -> int:
    wanted = (
        select(func.count())
        .select_from(inspections)
        .where(*conditions(filters), inspections.c.judgement == "unsure")
    )
    with database.reading() as connection:
        return int(connection.execute(wanted).scalar_one())
