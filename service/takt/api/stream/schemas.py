"""The messages of a stream, as its document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from takt.api.multiview.schemas import PartResultOut
from takt.api.schemas import InspectedOut, Schema
from takt.streaming.evidence import VoteCount
from takt.streaming.session import Policy
from takt.streaming.statistics import FrameCounts, StreamStatistics


class StatsIn(BaseModel):
    """Asks for the stream's figures so far."""

    type: Literal["stats"]


class ByeIn(BaseModel):
    """Ends the stream: no more frames will come."""

    type: Literal["bye"]


class WelcomeOut(Schema):
    """The answer to the hello."""

    type: Literal["welcome"]
    session: str = Field(description="Key by which the stream is resumed.")
    resumed: bool = Field(description="Whether the session of the hello goes on.")
    model: str
    version: str
    policy: Policy
    credits: int = Field(description="Most frames that may be on their way unanswered.")
    next_sequence: int = Field(description="Lowest number that the next frame may have.")


class FollowingHeatmapOut(Schema):
    """A heatmap that follows as the next message."""

    kind: Literal["map", "overlay", "raw"]
    format: Literal["png", "jpeg", "webp", "npy"]
    bytes: int = Field(description="Length of the message that follows.")


class FrameViewOut(Schema):
    """The part that a frame shows a view of."""

    part: str
    number: int = Field(description="Tells the part from others of its id.")
    recipe: str
    revision: int = Field(description="Of the recipe, for all views of the part.")
    view: str = Field(description="Its name in the recipe.")
    result: PartResultOut | None = Field(
        description="Of the part, if this view was inspected last; else null."
    )


class AnswerOut(InspectedOut):
    """The answer to a frame; its heatmap, if there is one, is the next message."""

    type: Literal["answer"]
    sequence: int = Field(description="Of the frame.")
    captured_us: int = Field(description="Of the frame, in µs since 1970 by the client's clock.")
    age_ms: float = Field(description="From the frame's arrival at the server to its answer.")
    dropped: int = Field(description="Frames of the session that were dropped so far.")
    smoothed_score: float | None = Field(
        description="Null without `smoothing` in the hello, and of a view."
    )
    vote: VoteCount | None = Field(description="Null without `vote` in the hello, and of a view.")
    view: FrameViewOut | None = Field(
        description="Of a part that the frame shows, as the message before it has said; else null."
    )
    heatmap: FollowingHeatmapOut | None


class FrameErrorOut(Schema):
    """A frame that cannot be answered, in its place in the order."""

    type: Literal["error"]
    sequence: int = Field(description="Of the frame.")
    status: int
    code: str = Field(description="Stable; for programs.")
    title: str
    detail: str = Field(description="What went wrong, and what to do.")


class StreamErrorOut(Schema):
    """An error of the stream itself, which ends it."""

    type: Literal["error"]
    status: int
    code: str = Field(description="Stable; for programs.")
    title: str
    detail: str = Field(description="What went wrong, and what to do.")


class DroppedOut(Schema):
    """A frame that a newer one replaced."""

    type: Literal["dropped"]
    sequence: int = Field(description="Of the frame.")
    dropped: int = Field(description="Frames of the session that were dropped so far.")


class StatsOut(Schema):
    """The stream's figures so far."""

    type: Literal["stats"]
    stats: StreamStatistics


class ByeOut(Schema):
    """The stream's figures at its end; then the server closes."""

    type: Literal["bye"]
    stats: StreamStatistics


class StreamOut(Schema):
    """A stream, as those may know it who did not begin it."""

    id: str = Field(description="Names it; ids of its requests begin with this.")
    model: str
    version: str | None = Field(description="That its address names; null for the active one.")
    policy: Policy
    station: str | None = Field(description="That the stream named last.")
    part: str | None = Field(description="That the stream named last.")
    caller: str = Field(description="Who streams: the name of a key, or an address.")
    since: datetime
    connected: bool = Field(description="Whether its client is there; it may come back.")
    watchers: int = Field(description="How many watch it.")
    counts: FrameCounts


class StreamsOut(Schema):
    """The streams of this server."""

    streams: list[StreamOut]


class ShownIn(BaseModel):
    """The watcher has shown the frame before, and takes another one."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["shown"]


class WatchingOut(Schema):
    """The first message to a watcher."""

    type: Literal["watching"]
    stream: StreamOut


class SkippedOut(Schema):
    """A frame that a watcher did not see."""

    sequence: int
    score: float | None = Field(description="Null where the frame failed.")
    anomalous: bool
    undecided: bool = Field(description="Whether it could not be judged; then it is anomalous.")


class ShownPictureOut(Schema):
    """A picture that follows as the next message."""

    media_type: Literal["image/jpeg", "image/png", "image/bmp", "image/webp"]
    bytes: int = Field(description="Length of the message that follows.")


class WatchedFrameOut(Schema):
    """A frame for a watcher; its picture follows, then the heatmap, if there is one."""

    type: Literal["frame"]
    frame: AnswerOut | FrameErrorOut = Field(description="What the stream's client got.")
    counts: FrameCounts
    skipped: list[SkippedOut] = Field(description="Frames since the one before; the last 100.")
    picture: ShownPictureOut | None = Field(
        description="As it came, raw pixels as a JPEG of 1280 pixels at most. Null of a frame that "
        "failed, of a TIFF, which browsers do not show, and where memory is full."
    )


class EndedOut(Schema):
    """The stream has ended, with its figures; then the server closes."""

    type: Literal["ended"]
    stats: StreamStatistics
