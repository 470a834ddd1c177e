"""An export of parts: all that filters want, with what the record has of each, the latest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

from sqlalchemy import Connection

from takt.core.domain import VerdictName, Witness
from takt.observing.records import PartRecord
from takt.recording.multiview.parts import MOST_PARTS, PartFilters, parts_of
from takt.recording.search.exports.export import ENCODERS
from takt.recording.search.filters import ExportFormat
from takt.recording.search.stored import Meaning, columns_of
from takt.recording.search.times import time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """One part of the record; each field is a column of every export of parts."""

    number: Annotated[int, Meaning("Tells the part from others of its id.")]
    part: Annotated[str, Meaning("Id of the part.")]
    station: Annotated[str | None, Meaning("Where it was.")]
    lot: Annotated[str | None, Meaning("That it belongs to.")]
    tags: Annotated[Mapping[str, str], Meaning("Tags of its first view, such as plc_part.")]
    recipe: Annotated[str, Meaning("Recipe that it was inspected by.")]
    revision: Annotated[int, Meaning("Of the recipe.")]
    began_at: Annotated[datetime, Meaning("When its first view came.", "UTC, to the µs")]
    ended_at: Annotated[datetime, Meaning("When it got its result.", "UTC, to the µs")]
    ended_by: Annotated[str, Meaning("What gave it: views, end, deadline or closing.")]
    verdict: Annotated[VerdictName, Meaning("The verdict: good, defect or undecided.")]
    reason: Annotated[
        str | None, Meaning("Why it is undecided: missing_view or undecided; null where it is not.")
    ]
    decided_by: Annotated[str | None, Meaning("View that decided; null where all are good.")]
    witness: Annotated[
        Witness | None,
        Meaning("What decided that this view is a defect: score or region; null where none is."),
    ]
    score: Annotated[float | None, Meaning("The highest of its views, 1 at their thresholds.")]
    views: Annotated[
        Mapping[str, str], Meaning("Verdict on each view, or missing, by the views' names.")
    ]


PART_COLUMNS: Final = columns_of(StoredPart)
"""The columns, in the order of `StoredPart`."""


def stored(found: PartRecord) -> StoredPart:
    """A part as exports have it."""
    decided = found.decided
    return StoredPart(
        number=found.number,
        part=found.part,
        station=found.station,
        lot=found.lot,
        tags=found.tags,
        recipe=found.recipe,
        revision=found.revision,
        began_at=time_of(found.began_us),
        ended_at=time_of(found.ended_us),
        ended_by=found.ended_by,
        verdict=found.verdict,
        reason=found.reason,
        decided_by=decided.view,
        witness=decided.witness,
        score=found.score,
        views={
            one["name"]: one["seen"]["verdict"] if one["seen"] else "missing" for one in found.views
        },
    )


class PartsExport:
    """Makes an export of parts, some at a time; each reads the record for a moment only.

    Args:
        wanted: which parts.
        form: the format.

    Raises:
        NotInstalledError: a package that the format needs is not installed.
    """

    def __init__(self, wanted: PartFilters, form: ExportFormat) -> None:
        self._wanted = wanted
        self._encoder = ENCODERS[form](PART_COLUMNS)
        self.ended = False

    def part(self, connection: Connection) -> bytes:
        """The next bytes, which may be none; after the last ones, `ended` is true.

        Args:
            connection: for reading.
        """
        found = parts_of(connection, self._wanted, MOST_PARTS)
        data = self._encoder.rows([stored(one) for one in found])
        if len(found) < MOST_PARTS:
            data += self._encoder.end()
            self.ended = True
            return data
        self._wanted = replace(self._wanted, before=found[-1].number)
        return data
