"""Kept pictures of the record, given to a learning."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from takt.api.records.threads import RecordThreads
from takt.core.errors import (
    ImageTooLargeError,
    InspectionNotFoundError,
    InvalidImageError,
    InvalidParameterError,
    NoRoomError,
    UnsupportedImageError,
)
from takt.learning.desk import LearningDesk
from takt.recording.pictures import ChangedPictureError
from takt.recording.record import Record
from takt.recording.search.cursor import Cursor
from takt.recording.search.filters import Filters
from takt.recording.search.pages import page_of
from takt.recording.search.pictures import picture_key_of
from takt.recording.search.stored import StoredInspection

_ON_A_PAGE: Final = 100
_MOST_LOOKED_AT: Final = 50_000
"""So many inspections are looked at, whether their pictures are kept or not."""

logger = logging.getLogger("takt.learning")


@dataclass(slots=True)
class Gathered:
    """What became of the pictures.

    Attributes:
        new: pictures that were added.
        missing: inspections whose pictures are not kept any more.
        unread: pictures of a format that is not read again, larger than is read by now, or damaged.
        full: why not all of them found room.
    """

    new: int = 0
    missing: int = 0
    unread: int = 0
    full: str | None = None


def good_ones(filters: Filters, model: str) -> Filters:
    """The filters of pictures to learn from: judged good, unless they say otherwise.

    >>> found = good_ones(Filters(), "nut")
    >>> found.model, found.judgement
    ('nut', 'good')

    Args:
        filters: as they were asked for.
        model: that is to be learned; counts where the filters name none.

    Raises:
        InvalidParameterError: they want defects.
    """
    if filters.judgement == "defect":
        raise InvalidParameterError(
            "judgement: a model is learned from good parts; ask for those judged good"
        )
    return replace(filters, judgement=filters.judgement or "good", model=filters.model or model)


async def gather(
    desk: LearningDesk, number: str, threads: RecordThreads, filters: Filters
) -> Gathered:
    """Gives a learning the kept pictures of inspections, the newest first.

    Args:
        desk: takes the pictures.
        number: id of the learning.
        threads: work on the record.
        filters: of the inspections.

    Raises:
        TaktError: as `LearningDesk.add` and the record do.
    """
    gathered = Gathered()
    after: Cursor | None = None
    looked_at = 0
    while looked_at < _MOST_LOOKED_AT:
        page = await threads.read(partial(page_of, filters=filters, limit=_ON_A_PAGE, after=after))
        for stored in page.inspections:
            try:
                await _give(desk, number, threads, stored, gathered)
            except NoRoomError as error:
                gathered.full = str(error)
                return gathered
        looked_at += _ON_A_PAGE
        after = page.next
        if after is None:
            break
    return gathered


async def _give(
    desk: LearningDesk,
    number: str,
    threads: RecordThreads,
    stored: StoredInspection,
    gathered: Gathered,
) -> None:
    def read(record: Record) -> bytes:
        return record.pictures.read_file(picture_key_of(stored))

    try:
        data = await threads.run(read)
    except InspectionNotFoundError:
        gathered.missing += 1
        return
    except ChangedPictureError as error:
        logger.warning("inspection %d is left out: %s", stored.id, error)
        gathered.unread += 1
        return
    try:
        gathered.new += await desk.add(number, f"inspection-{stored.id}", data)
    except (ImageTooLargeError, InvalidImageError, UnsupportedImageError):
        # Larger than the server takes by now, or of a format that is not read again.
        gathered.unread += 1
