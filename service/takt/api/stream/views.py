"""Frames of a stream that show views of parts: inspected by the parts' recipes, as REST does."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from takt.api.multiview.answers import result_json
from takt.api.multiview.viewing import ClaimedView, Views
from takt.core.domain import Inspection, InspectOptions
from takt.core.errors import DeadlineExceededError
from takt.multiview.open_parts import ViewWish
from takt.observing.journal import UNKNOWN
from takt.observing.records import ViewOfPart
from takt.streaming.entrance import Entrance, Inspect, Read
from takt.streaming.frames import Frame
from takt.streaming.outcomes import FailedFrame, InspectedView, ViewAnswer, failed_of

Commit = Callable[[Inspection, Frame, ViewOfPart | None], Awaitable[None]]
"""Has the record take the answer to a frame before it goes out; raises if it has not."""


@dataclass(frozen=True, slots=True)
class StreamViews:
    """The views that one stream brings.

    Attributes:
        views: takes them on.
        options: of the stream's frames; a recipe has thresholds of its own.
        key: of the stream.
        commit: has the record take a view before its part does.
    """

    views: Views
    options: InspectOptions
    key: str
    commit: Commit

    async def inspect(self, frame: Frame, entrance: Entrance) -> InspectedView | FailedFrame:
        """Inspect a frame as the view that it shows; fails as `POST /v1/parts/{id}/views/{view}`.

        What fails counts for the model of the view, as soon as the part's recipe has said which.
        """
        shown, known = frame.view, UNKNOWN
        assert shown is not None
        request_id = frame_id(self.key, frame.sequence)
        wish = ViewWish(
            *(shown.part, shown.view, shown.recipe, f"{self.key}-{frame.sequence}", shown.again),
            station=frame.labels.station,
            lot=frame.labels.lot,
            tags=dict(frame.labels.tags),
        )
        try:
            async with self.views.claimed(wish) as claimed:
                known = claimed.claim.view.model
                inspection = await entrance.inspect(frame.picture, self._by(claimed))
                await self.commit(inspection, frame, claimed.of_part)
                result = await claimed.take(request_id, inspection)
        except Exception as error:
            return replace(failed_of(frame.sequence, error, request_id), model=known)
        answered = None if result is None else result_json(result)
        return InspectedView(inspection, ViewAnswer(**claimed.json, result=answered))

    def _by(self, claimed: ClaimedView) -> Inspect:
        async def inspect(read: Read) -> Inspection:
            if time.monotonic() >= claimed.due_s:
                raise DeadlineExceededError("the view's turn came after its part's deadline")
            # Both anew with each try of a full queue.
            return await claimed.loaded.pipeline.inspect(read, claimed.options(self.options))

        return inspect


def frame_id(key: str, sequence: int) -> str:
    """Names a frame in log and record; too short to go on with its stream."""
    return f"{key[:8]}-{sequence}"
