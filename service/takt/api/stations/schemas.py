"""The JSON of stations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from takt.api.given import BodyIn
from takt.api.labels import Label
from takt.api.multiview.schemas import RecipeNumber
from takt.api.schemas import ReplyOut, Schema
from takt.core.bundles.thresholds import MAX_REASON
from takt.core.domain import Witness
from takt.stations.flow import Flow

MOST_RESULTS = 50
MOST_CAMERAS = 64
MOST_REPORT_BYTES = 64 * 1024

_HIGHEST = 2**53 - 1
"""Whole numbers that every reader of JSON knows apart."""

Count = Annotated[int, Field(ge=0, le=_HIGHEST)]
Milliseconds = Annotated[float, Field(ge=0, le=1e12)]
NoDecisionName = Literal[
    "deadline",
    "acquisition",
    "unreachable",
    "refused",
    "undecided",
    "unknown_recipe",
    "missing_view",
    "offline",
    "busy",
]
OfflineName = Literal["set_offline", "engine", "camera", "fault"]
ResultName = Literal["ok", "ng", "no_decision"]


class StationPlc(BodyIn):
    """The controller of a station."""

    connected: bool = Field(description="Whether it has read or written within two seconds.")
    heard_at: datetime | None = Field(description="When it last did; null if it never has.")


class StationCamera(BodyIn):
    """A camera of a station."""

    name: Label = Field(description="Of the camera, and of the view that it takes.")
    well: bool = Field(description="Whether it answers.")


class StationRecipeSaid(BodyIn):
    """The recipe in force at a station, for the parts that are triggered from now on."""

    number: Count = Field(
        description="0 before the first, and where there is none of the number that was named last."
    )
    name: Label | None = Field(description="Null where none is in force.")
    changing: bool = Field(description="Whether another one is being put in force.")


class StationCounts(BodyIn):
    """Parts since the station began, by their results."""

    ok: Count
    ng: Count
    no_decision: dict[NoDecisionName, Count] = Field(description="By the reason.")
    late: Count = Field(description="Verdicts that came after their part's result.")
    lost: Count = Field(description="Results that found eight waiting, and no PLC read.")
    faults: Count = Field(description="How often verdicts came late several times in a row.")


class StationTimes(BodyIn):
    """Times from trigger to result, of the last parts."""

    parts: Count = Field(description="How many these are.")
    p50_ms: Milliseconds
    p99_ms: Milliseconds
    worst_ms: Milliseconds


class StationLate(BodyIn):
    """A verdict that came after its part's result, and was not sent."""

    result: ResultName = Field(description="What would have been the part's result.")
    late_ms: Milliseconds


class StationResult(BodyIn):
    """The result of a part."""

    part: Count = Field(description="As the PLC has named it.")
    part_id: Label | None = Field(
        description="Id of the part on the server; null where it was not asked."
    )
    at: datetime
    result: ResultName
    reason: NoDecisionName | None = Field(description="Why there is no decision; else null.")
    score: float | None
    decided_by: str | None = Field(
        None, description="View that decided, as a part's result has it; null where nobody said."
    )
    witness: Witness | None = Field(
        None, description="What decided that this view is a defect; null where the part is none."
    )
    took_ms: Milliseconds = Field(description="From the trigger's edge to the result.")
    shown: bool = Field(description="Whether there was room for it; else the PLC never reads it.")
    late: StationLate | None = Field(description="The verdict that came too late, if any did.")


class _Station(BodyIn):
    run: Label = Field(description="Tells this run of the process from those before it.")
    began_at: datetime
    online: bool = Field(description="Whether it takes parts.")
    offline_reason: OfflineName | None = Field(
        description="Why not: the PLC has said so, the server cannot judge, a camera does not "
        "answer, or verdicts came late several times in a row. Null while it takes parts."
    )
    server_ready: bool = Field(description="Whether every model of the server was ready.")
    plc: StationPlc
    cameras: list[StationCamera] = Field(max_length=MOST_CAMERAS)
    recipe: StationRecipeSaid
    result_ms: Milliseconds = Field(description="Time from a trigger to its result, at most.")
    counts: StationCounts
    times: StationTimes | None = Field(description="Null before the first result.")


class StationReportIn(_Station):
    """How a station fares."""

    taken: Count | None = Field(
        description="Sequence of the last wish for a recipe that it has taken; null for none."
    )
    results: list[StationResult] = Field(
        max_length=MOST_RESULTS, description="The last ones, the newest last."
    )


class RecipeWishOut(Schema):
    """A recipe that somebody wants in force."""

    number: int
    sequence: int = Field(
        description="Higher than that of an earlier wish; a station takes each one once, and says "
        "so as `taken`."
    )


class StationHeardOut(ReplyOut):
    """What a station is to do."""

    wish: RecipeWishOut | None = Field(description="Null where nothing was wanted of it since.")


class StationStandingOut(_Station, Schema):
    """A station."""

    name: str
    state: Literal["online", "offline", "silent"] = Field(
        description="`silent` where it has not said how it fares for five seconds: whatever else "
        "stands here was so before."
    )
    flow: Flow = Field(
        description="Whether parts flow, or what keeps them. `flowing`: they come, and have "
        "decisions; `undecided`: they come, and none of the last five had one; `waiting`: all is "
        "well, and no part was triggered lately. `no_plc`: none reads or writes; "
        "`changing_recipe`, `no_recipe`: parts have no decision until one is in force. Else an "
        "`offline_reason`, or `silent`."
    )
    heard_at: datetime = Field(description="When it said so, by the server's clock.")
    silent_ms: float = Field(description="Time since then.")
    wish: RecipeWishOut | None = Field(
        description="The recipe that it is to take; null once it has, and after ten seconds."
    )


class StationOut(StationStandingOut):
    """A station with its last results."""

    results: list[StationResult] = Field(description="The newest last.")


class OneStationOut(ReplyOut):
    """A station."""

    station: StationOut


class StationsOut(ReplyOut):
    """The stations, by name."""

    stations: list[StationStandingOut]


class StationRecipeIn(BodyIn):
    """A recipe that is to be put in force at a station."""

    model_config = ConfigDict(json_schema_extra={"example": {"number": 7}})

    number: RecipeNumber = Field(description="Of the recipe.")
    reason: str | None = Field(None, max_length=MAX_REASON, description="Kept and logged.")


class RecipeWishedOut(ReplyOut):
    """The recipe that a station will take as it next says how it fares."""

    station: str
    recipe: str = Field(description="Name of the recipe.")
    wish: RecipeWishOut
