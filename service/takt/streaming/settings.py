"""What may be set of streams."""

from __future__ import annotations

from pydantic import BaseModel

from takt.declaration import under

_streams = under("Streams")


class StreamSettings(BaseModel):
    """Streams."""

    stream_credits: int = _streams(
        8, "Frames that one stream may have on their way unanswered.", ge=1, le=256
    )
    stream_sessions: int = _streams(
        64, "Streams that may be open; one more is told to come again later.", ge=1
    )
    stream_kept_sessions: int = _streams(
        64, "Streams whose connection was lost that may wait for another one.", ge=0
    )
    stream_resume_s: float = _streams(60.0, "For how long they wait.", ge=0)
