"""The messages of a stream, as its document shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from service.api.schemas import InspectedOut, Schema
from service.streaming.evidence import VoteCount
from service.streaming.session import Policy
from service.streaming.statistics import StreamStatistics


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


class AnswerOut(InspectedOut):
    """The answer to a frame; its heatmap, if there is one, is the next message."""

    type: Literal["answer"]
    sequence: int = Field(description="Of the frame.")
    captured_us: int = Field(description="Of the frame, in µs since 1970 by the client's clock.")
    age_ms: float = Field(description="From the frame's arrival at the server to its answer.")
    dropped: int = Field(description="Frames of the session that were dropped so far.")
    smoothed_score: float | None = Field(description="Null without `smoothing` in the hello.")
    vote: VoteCount | None = Field(description="Null without `vote` in the hello.")
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
