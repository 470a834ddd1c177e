"""Judgements: given and taken back. All of them stay in the record, and the latest counts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import bindparam, insert, update

from service.core.errors import ConflictError, InvalidParameterError
from service.recording.audit.chain import append, log_entry
from service.recording.audit.entry import Change
from service.recording.database import Database
from service.recording.review.history import WITHDRAWN, said_of, standing
from service.recording.review.rows import add_sightings, listed, lock_rows
from service.recording.tables import inspections, judgements

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

    Raises:
        InvalidParameterError: a text cannot be kept, or something good has a kind of defect.
    """

    judgement: JudgementWord
    reviewer: str
    kind: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        check_reviewer(self.reviewer)
        check_text("kind", self.kind, MOST_OF_KIND)
        check_text("note", self.note, MOST_OF_NOTE)
        if self.kind is not None and self.judgement == "good":
            raise InvalidParameterError("kind: a good part has no kind of defect")


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
        given: the judgement.
        client: address of who asked.

    Raises:
        InspectionNotFoundError: the record lacks some.
        InvalidParameterError: there is no id, or there are too many.
        RecordError: the database cannot be written.
    """
    at_us = now_us()
    with database.writing() as connection:
        before = lock_rows(connection, ids)
        row = {
            "at_us": at_us,
            "reviewer": given.reviewer,
            "judgement": given.judgement,
            "kind": given.kind,
            "note": given.note,
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
                new={
                    "inspections": list(before),
                    "judgement": given.judgement,
                    "kind": given.kind,
                    "note": given.note,
                },
                client=client,
                at_us=at_us,
            ),
        )
    log_entry(entry)
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
    with database.writing() as connection:
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
    log_entry(entry)
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


def now_us() -> int:
    """Now, in µs of Unix time."""
    return time.time_ns() // 1000


def _judged(counts: dict[int, str | None]) -> dict[str, Any] | None:
    """What counts of which inspection, as an entry of the audit log has it."""
    return {"judgements": {str(one): word for one, word in counts.items()}} if counts else None
