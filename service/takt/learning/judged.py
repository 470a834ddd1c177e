"""Judged pictures of the record, gathered to teach a model; and what it passed, to compare.

<folder>/good/, defect/, judgements.jsonl     as `takt.core.judged` has them
<folder>/passed/                              what nobody has judged
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, select

from takt.core.errors import (
    ConflictError,
    InspectionNotFoundError,
    NoRoomError,
    RecordError,
)
from takt.recording.pictures import PictureKey
from takt.recording.record import Record
from takt.recording.review.folders import READ_AGAIN, ExportedFolders, export_folders
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections

PASSED: Final = "passed"
"""Folder of the pictures that nobody has judged."""

MOST_PASSED: Final = 200

NOTHING_JUDGED: Final = (
    "no picture of {} that is judged a defect is kept, and a model is taught by defects; judge "
    "some first, on the console's page Review or with POST /v1/inspections/judgements"
)

_ALL_GOOD: Final = (
    "there is room for the latest judged pictures of {} only, and all of these are good; judge a "
    "defect, or judge its picture once more"
)

_MOST_LOOKED_AT: Final = 20_000
"""Kept inspections of each reason, of all models, among which the passed ones are looked for."""

Result = TypeVar("Result")


class RecordWork(Protocol):
    """Threads on which the record is worked on."""

    async def run(self, work: Callable[[Record], Result]) -> Result:
        """The result of some work on the record.

        Raises:
            NoRecordError: there is none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredJudged(ExportedFolders):
    """What was gathered to teach a model, and what was left out.

    Attributes:
        passed: pictures that the active version passed and nobody has judged.
        bytes: of all files.
    """

    passed: int
    bytes: int

    @property
    def pictures(self) -> int:
        """All pictures that were gathered."""
        return self.defects + self.good + self.passed


class _Passed(NamedTuple):
    """An inspection whose picture may be gathered to compare."""

    id: int
    at_us: int
    sha256: bytes
    input_format: str
    input_bytes: int


def gather_judged(
    record: Record,
    model: str,
    version: str | None,
    folder: Path,
    *,
    most: int,
    most_bytes: int,
    told: Callable[[int, int], None],
) -> GatheredJudged:
    """Write the judged pictures of a model into a folder, and what a version passed lately.

    Args:
        record: with the pictures.
        model: its name.
        version: that passed what nobody has judged; None to leave such pictures out.
        folder: that is written; there is none yet.
        most: judged pictures, the latest ones; at most `MOST_PASSED` others come with them.
        most_bytes: of all files.
        told: is told how many of how many judged pictures are done; what it raises ends the
            gathering.

    Raises:
        ConflictError: no picture that is judged a defect is there.
        NoRoomError: there is no room for a single one.
        RecordError: the database or a picture cannot be read.
        ConfigurationError: the folder cannot be written.
    """
    if most_bytes <= 0:
        raise NoRoomError(
            f"there is no room for the judged pictures of {model}; make room on the disk of the "
            "setting data_folder"
        )
    passed: int | None = None
    try:
        found = export_folders(
            record, Filters(model=model), folder, most, most_bytes=most_bytes, told=told
        )
        if not found.defects:
            raise ConflictError((_ALL_GOOD if found.older else NOTHING_JUDGED).format(model))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        rows = [] if version is None else _passed(record, model, version)
        passed, passed_bytes = _write_passed(record, rows, folder / PASSED, most_bytes - size)
    except InspectionNotFoundError:
        raise ConflictError(NOTHING_JUDGED.format(model)) from None
    except OSError as error:
        raise NoRoomError(
            f"{folder} cannot be written: {error.strerror}; make room there"
        ) from error
    finally:
        if passed is None:
            shutil.rmtree(folder, ignore_errors=True)
    return GatheredJudged(**asdict(found), passed=passed, bytes=size + passed_bytes)


def _passed(record: Record, model: str, version: str) -> list[_Passed]:
    """What a version passed and nobody has judged, the newest first; each picture once."""
    with record.database.reading() as connection:
        found = _unjudged(connection, model, version)
        # The same picture may have been judged by another inspection of it.
        judged = select(inspections.c.sha256).where(
            inspections.c.sha256.in_(list(found)), inspections.c.judgement.is_not(None)
        )
        for digest in connection.execute(judged).scalars():
            found.pop(digest, None)
    newest = sorted(found.values(), key=lambda one: (one.at_us, one.id), reverse=True)
    return newest[:MOST_PASSED]


def _unjudged(connection: Connection, model: str, version: str) -> dict[bytes, _Passed]:
    """The newest inspections that a version passed and nobody has judged, by their pictures."""
    table = inspections.c
    found: dict[bytes, _Passed] = {}
    for reason in ("near", "sample", "recent"):
        # Those of other models lie between them: so many are looked at, and no whole year.
        recent = (
            select(table.id)
            .where(table.kept == reason, table.judgement.is_(None))
            .order_by(table.at_us.desc())
            .limit(_MOST_LOOKED_AT)
        )
        wanted = (
            select(*(table[name] for name in _Passed._fields))
            .where(
                table.id.in_(recent.subquery().select()),
                table.model == model,
                table.version == version,
                ~table.anomalous,
                table.picture,
                table.sha256.is_not(None),
            )
            .order_by(table.at_us.desc(), table.id.desc())
            .limit(MOST_PASSED)
        )
        for row in connection.execute(wanted):
            one = _Passed(*row)
            former = found.get(one.sha256)
            if former is None or (former.at_us, former.id) < (one.at_us, one.id):
                found[one.sha256] = one
    return found


def _write_passed(
    record: Record, rows: Sequence[_Passed], folder: Path, most_bytes: int
) -> tuple[int, int]:
    """Write pictures that are still there, as many as find room; their number and bytes.

    A picture that cannot be read is left out: another one compares as well.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir()
    count = size = 0
    for row in rows:
        key = PictureKey(row.at_us, row.sha256.hex(), row.input_format)
        suffix = Path(key.path).suffix
        if suffix not in READ_AGAIN or size + row.input_bytes > most_bytes:
            continue
        try:
            data = record.pictures.read_file(key)
        except (InspectionNotFoundError, RecordError):
            continue
        (folder / f"inspection-{row.id}{suffix}").write_bytes(data)
        count, size = count + 1, size + len(data)
    return count, size
