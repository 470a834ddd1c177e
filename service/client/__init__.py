"""A client of a Takt server, blocking and async; needs the extra `client`."""

from service.client.aio import AsyncTaktClient
from service.client.answers import (
    Inspected,
    Model,
    ModelVersion,
    Readiness,
    ThresholdPair,
    VersionReadiness,
)
from service.client.blocking import TaktClient
from service.client.retry import RetryPolicy
from service.client.stream_items import (
    FrameAnswer,
    FrameDropped,
    FrameRefused,
    StreamItem,
    StreamStats,
    Vote,
)

__all__ = [
    "AsyncTaktClient",
    "FrameAnswer",
    "FrameDropped",
    "FrameRefused",
    "Inspected",
    "Model",
    "ModelVersion",
    "Readiness",
    "RetryPolicy",
    "StreamItem",
    "StreamStats",
    "TaktClient",
    "ThresholdPair",
    "VersionReadiness",
    "Vote",
]
