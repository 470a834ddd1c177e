"""The kept picture of a stored inspection."""

from __future__ import annotations

from takt.core.errors import InspectionNotFoundError
from takt.recording.pictures import PictureKey
from takt.recording.search.stored import StoredInspection
from takt.recording.search.times import us_of_time


def picture_key_of(inspection: StoredInspection) -> PictureKey:
    """What names the picture in the store.

    Raises:
        InspectionNotFoundError: it is not kept.
    """
    if not inspection.picture or inspection.sha256 is None:
        raise InspectionNotFoundError(
            f"the picture of inspection {inspection.id} is not kept; the settings keep and retain "
            "say which ones are, and how long"
        )
    return PictureKey(us_of_time(inspection.at), inspection.sha256, inspection.input_format)
