"""Which witness of a recorded verdict spoke: the score, or the map.

The record has each score, and each region that was over the pixel threshold of then. So it is known
what another threshold of the score would have said. What another pixel threshold would have is not,
as the map itself is not kept.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, and_, or_

from takt.recording.tables import inspections

_columns = inspections.c

UNDECIDED: Final[ColumnElement[bool]] = _columns.undecided.is_not(None)
"""Whether the picture could not be judged: its score says nothing, whatever the threshold."""

MAP_SPOKE: Final[ColumnElement[bool]] = or_(
    _columns.regions.is_not(None),
    # With `max_regions=0` no region is stored; then a reject without a score for it tells.
    and_(_columns.anomalous, _columns.score <= _columns.threshold),
)
"""Whether the map was over its threshold, so that the picture is rejected whatever its score is."""
