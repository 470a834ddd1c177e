"""A client of a Takt server, blocking (`TaktClient`) and async (`AsyncTaktClient`).

It imports the standard library, httpx and websockets, and nothing of the server. Start reading at
`calls.py`: each REST call is written there once, for both clients.
"""

from takt_client.aio import AsyncTaktClient
from takt_client.blocking import TaktClient
from takt_client.errors import TaktError
from takt_client.parts import (
    Part,
    Recipe,
    RecipeRevision,
    RecipeView,
    ViewInspected,
)
from takt_client.pictures import RawPicture
from takt_client.retry import RetryListener, RetryPolicy
from takt_client.stations import RecipeWish, Station, StationCamera, StationResult
from takt_client.values import (
    FrameAnswer,
    FrameDropped,
    FrameRefused,
    FrameView,
    Inspected,
    Model,
    ModelVersion,
    PartResult,
    PartView,
    Readiness,
    Reason,
    StreamItem,
    StreamStats,
    ThresholdOrigin,
    ThresholdPair,
    VersionReadiness,
    Vote,
)

__all__ = [
    "AsyncTaktClient",
    "FrameAnswer",
    "FrameDropped",
    "FrameRefused",
    "FrameView",
    "Inspected",
    "Model",
    "ModelVersion",
    "Part",
    "PartResult",
    "PartView",
    "RawPicture",
    "Readiness",
    "Reason",
    "Recipe",
    "RecipeRevision",
    "RecipeView",
    "RecipeWish",
    "RetryListener",
    "RetryPolicy",
    "Station",
    "StationCamera",
    "StationResult",
    "StreamItem",
    "StreamStats",
    "TaktClient",
    "TaktError",
    "ThresholdOrigin",
    "ThresholdPair",
    "VersionReadiness",
    "ViewInspected",
    "Vote",
]
