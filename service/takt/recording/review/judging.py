"""Judgements: given and taken back. All of them stay in the record, and the latest counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from sqlalchemy import bindparam, insert, update

from takt.core.domain import Box, box_json
from takt.core.errors import ConflictError, InvalidParameterError
from takt.recording.audit.chain import append, tell_stored
from takt.recording.audit.entry import Change
from takt.recording.database import Database
from takt.recording.review.history import WITHDRAWN, said_of, standing
from takt.recording.review.rows import NamedRow, add_sightings, listed, lock_rows
from takt.recording.search.times import now_us
from takt.recording.tables import inspections, judgements

JudgementWord = Literal["defect", "good", "unsure"]

MOST_OF_NAME: Final = 128
MOST_OF_KIND: Final = 64
MOST_OF_NOTE: Final = 500


@dataclass(frozen=True, slots=True)
class NewJudgement:
    """What somebody says of inspections.

    >>> NewJudgement("defect", "ann", kind="scratch").kind
    'scratch'

    Attributes:
        judgement: what the part is.
        reviewer: who says so.
        kind: of the defect.
        note: whatever else there is to say.
        box: where the defect is, in pixels of the upright picture.

    Raises:
        InvalidParameterError: a text cannot be kept, something good has a kind of defect or a box,
            or the box is none.
    """

    judgement: JudgementWord
    reviewer: str
    kind: str | None = None
    note: str | None = None
    box: Box | None = None

    def __post_init__(self) -> None:
        check_reviewer(self.reviewer)
        check_text("kind", self.kind, MOST_OF_KIND)
        check_text("note", self.note, MOST_OF_NOTE)
        if self.kind is not None and self.judgement == "good":
            raise InvalidParameterError("kind: a good part has no kind of defect")
        if self.box is not None:
            _check_box(self.box, self.judgement)


@dataclass(frozen=True, slots=True)
class ReviewDone:
    """What a request has changed.

    Attributes:
        inspections: number of inspections.
        at_us: when, in µs of Unix time.
    """

    inspections: int
    at_us: int


def judge(
    database: Database, ids: Sequence[int], given: NewJudgement, *, client: str | None = None
) -> ReviewDone:
    """Judge inspections: all of them, or none if one is unknown.

    Whoever judges an inspection has seen it.

    Args:
        database: of the record.
        ids: of 1 to 1000 inspections; one that comes twice is judged once.
        given: the judgement; one with a box is of one inspection.
        client: address of who asked.

    Raises:
        InspectionNotFoundError: the record lacks some.
        InvalidParameterError: there is no id, or there are too many, or the box is not within the
            picture.
        RecordError: the database cannot be written.
    """
    at_us = now_us()
    with database.writing(durable=True) as connection:
        before = lock_rows(connection, ids)
        if given.box is not None:
            _check_within(given.box, before)
        box = None if given.box is None else box_json(given.box)
        said = {"judgement": given.judgement, "kind": given.kind, "note": given.note}
        row = {
            **said,
            "at_us": at_us,
            "reviewer": given.reviewer,
            "box": None if box is None else orjson.dumps(box).decode(),
        }
        connection.execute(insert(judgements), [row | {"inspection_id": one} for one in before])
        connection.execute(
            update(inspections)
            .where(inspections.c.id.in_(list(before)))
            .values(judgement=given.judgement, judged_at_us=at_us)
        )
        add_sightings(connection, before, given.reviewer, at_us)
        (entry,) = append(
            connection,
            Change(
                who=given.reviewer,
                action="inspections_judged",
                old=_judged({one: row.judgement for one, row in before.items() if row.judgement}),
                new={**said, "inspections": list(before), "box": box},
                client=client,
                at_us=at_us,
            ),
        )
    tell_stored(database, entry)
    return ReviewDone(len(before), at_us)


def withdraw(
    database: Database, ids: Sequence[int], reviewer: str, *, client: str | None = None
) -> ReviewDone:
    """Take back the latest standing judgement that a reviewer gave to each inspection.

    It stays in the record, with who took it back and when; what stood before counts again.

    Args:
        database: of the record.
        ids: of 1 to 1000 inspections.
        reviewer: who gave the judgements.
        client: address of who asked.

    Raises:
        ConflictError: the reviewer has no standing judgement of one; nothing is taken back.
        InspectionNotFoundError: the record lacks some.
        InvalidParameterError: there is no id, or there are too many.
        RecordError: the database cannot be written.
    """
    check_reviewer(reviewer)
    at_us = now_us()
    with database.writing(durable=True) as connection:
        before = lock_rows(connection, ids)
        said = said_of(connection, list(before))
        without = [
            one
            for one in before
            if not any(row.reviewer == reviewer for row in standing(said.get(one, ())))
        ]
        if without:
            raise ConflictError(
                f"{reviewer} has no judgement of inspection {listed(without)} to take back; "
                "nothing was changed"
            )
        row = {"at_us": at_us, "reviewer": reviewer, "judgement": WITHDRAWN}
        connection.execute(insert(judgements), [row | {"inspection_id": one} for one in before])
        after = {one: standing(rows) for one, rows in said_of(connection, list(before)).items()}
        connection.execute(
            update(inspections)
            .where(inspections.c.id == bindparam("wanted"))
            .values(judgement=bindparam("counts"), judged_at_us=bindparam("since")),
            [
                {
                    "wanted": one,
                    "counts": rows[-1].judgement if rows else None,
                    "since": rows[-1].at_us if rows else None,
                }
                for one, rows in after.items()
            ],
        )
        (entry,) = append(
            connection,
            Change(
                who=reviewer,
                action="judgements_withdrawn",
                old=_judged({one: row.judgement for one, row in before.items()}),
                new=_judged(
                    {one: rows[-1].judgement if rows else None for one, rows in after.items()}
                ),
                client=client,
                at_us=at_us,
            ),
        )
    tell_stored(database, entry)
    return ReviewDone(len(before), at_us)


def check_reviewer(name: str) -> None:
    """Refuse a name that cannot be kept.

    Raises:
        InvalidParameterError: says why.
    """
    check_text("reviewer", name, MOST_OF_NAME)


def check_text(field: str, text: str | None, most: int) -> None:
    """Refuse a text that is empty, too long, or has what no line of a list can show.

    Raises:
        InvalidParameterError: says why.
    """
    if text is None:
        return
    if not text.strip() or len(text) > most:
        raise InvalidParameterError(f"{field}: write 1 to {most} characters")
    if not text.isprintable():
        raise InvalidParameterError(f"{field}: write it in one line, without control characters")


def _check_box(box: Box, judgement: JudgementWord) -> None:
    """Refuse what is no rectangle, or marks a defect in a good part."""
    if judgement == "good":
        raise InvalidParameterError("box: a good part has no defect that a box could mark")
    if min(box.x, box.y) < 0 or min(box.width, box.height) < 1:
        raise InvalidParameterError(
            f"box: {box_json(box)} is no rectangle; give x, y of its top left corner, 0 or more, "
            "and width, height, 1 or more, in pixels of the upright picture"
        )


def _check_within(box: Box, rows: Mapping[int, NamedRow]) -> None:
    """Refuse a box that goes with several inspections, or leaves the picture."""
    if len(rows) > 1:
        raise InvalidParameterError(
            "box: it marks the defect in one picture; judge one inspection at a time with a box"
        )
    for number, row in rows.items():
        if box.x + box.width > row.width or box.y + box.height > row.height:
            raise InvalidParameterError(
                f"box: {box_json(box)} leaves the picture of inspection {number}, which has "
                f"{row.width} x {row.height} pixels upright; x + width is at most {row.width}, "
                f"y + height at most {row.height}"
            )


def _judged(counts: dict[int, str | None]) -> dict[str, Any] | None:
    """What counts of which inspection, as an entry of the audit log has it."""
    return {"judgements": {str(one): word for one, word in counts.items()}} if counts else None
