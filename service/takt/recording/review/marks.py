"""Marks on inspections: a picture that stays, and who has looked."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from takt.core.errors import InspectionNotFoundError
from takt.recording.audit.chain import append, tell_stored
from takt.recording.audit.entry import Change
from takt.recording.database import Database
from takt.recording.review.judging import check_reviewer
from takt.recording.review.rows import add_sightings, lock_rows
from takt.recording.search.times import now_us
from takt.recording.tables import inspections


def pin(
    database: Database,
    inspection_id: int,
    *,
    pinned: bool,
    who: str,
    client: str | None = None,
) -> bool:
    """Let the picture of an inspection stay whatever its age, or no longer.

    Args:
        database: of the record.
        inspection_id: of the inspection.
        pinned: whether it stays.
        who: says so.
        client: address of who asked.

    Returns:
        Whether that is a change.

    Raises:
        InspectionNotFoundError: the record lacks it, or its picture.
        RecordError: the database cannot be written.
    """
    check_reviewer(who)
    with database.writing(durable=True) as connection:
        row = lock_rows(connection, [inspection_id])[inspection_id]
        if row.pinned == pinned:
            return False
        if pinned and not row.picture:
            raise InspectionNotFoundError(
                f"the record keeps no picture of inspection {inspection_id} that could stay"
            )
        connection.execute(
            update(inspections).where(inspections.c.id == inspection_id).values(pinned=pinned)
        )
        (entry,) = append(
            connection,
            Change(
                who=who,
                action="picture_pinned" if pinned else "picture_unpinned",
                old={"inspection": inspection_id, "pinned": row.pinned},
                new={"inspection": inspection_id, "pinned": pinned},
                client=client,
            ),
        )
    tell_stored(database, entry)
    return True


def mark_seen(database: Database, ids: Sequence[int], reviewer: str) -> int:
    """Note that somebody has looked at inspections; the first time counts.

    Args:
        database: of the record.
        ids: of 1 to 1000 inspections.
        reviewer: who has.

    Returns:
        The number of inspections that the reviewer sees for the first time.

    Raises:
        InspectionNotFoundError: the record lacks some; nothing is noted.
        InvalidParameterError: there is no id, or there are too many.
        RecordError: the database cannot be written.
    """
    check_reviewer(reviewer)
    with database.writing() as connection:
        return add_sightings(connection, lock_rows(connection, ids), reviewer, now_us())
