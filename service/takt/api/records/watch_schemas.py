"""The JSON of the watch: what is watched, alarms, marks and the course of a fact."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasPath, ConfigDict, Field

from takt.api.records.filters import Text
from takt.api.records.judging import ByReviewer
from takt.api.records.schemas import Moment
from takt.api.schemas import ReplyOut, Schema
from takt.core.domain import FactName
from takt.recording.watch.alarms import MOST_OF_TEXT, AlarmCause, MarkKind

MOST_SNOOZED_H = 24 * 30


class MovedOut(Schema):
    """A fact that speaks for an alarm."""

    fact: str = Field(description="Name of the fact; `rejected` for what a model rejects.")
    side: str = Field(description="To which it has moved: low or high.")
    share: float = Field(description="Of the evidence.")
    usual: float = Field(description="Its median over the calibration, or the promised share.")
    now: float = Field(description="Its median since the change, or the share that was rejected.")


class AlarmOut(Schema):
    """What the watch has found."""

    id: int = Field(description="Number of the alarm in this record.")
    model: str
    version: str
    station: str = Field(description="Where the pictures were taken; empty where nobody said.")
    cause: AlarmCause = Field(
        description="`camera`: camera or light have changed. `defects`: there are more defects. "
        "`promise`: the model rejects more than it promises for good parts."
    )
    moved: list[MovedOut] = Field(
        description="What speaks for it: first what explains the others, then the strongest."
    )
    since: Moment = Field(validation_alias="since_us", description="When it seems to have begun.")
    since_id: int = Field(description="The inspection from which on it seems to have begun.")
    raised: Moment = Field(validation_alias="raised_us", description="When it was found.")
    raised_id: int = Field(description="The inspection that told.")
    ended: Moment | None = Field(
        validation_alias="ended_us", description="When it ended; null while it stands."
    )
    acknowledged: Moment | None = Field(
        validation_alias="acknowledged_us", description="When somebody took note of it."
    )
    acknowledged_by: str | None = Field(description="Who did.")
    note: str | None = Field(description="What they said.")
    snoozed_until: Moment | None = Field(
        validation_alias="snoozed_until_us", description="Until then it calls nobody."
    )
    calls: bool = Field(
        description="Whether somebody should look now: it stands, and nobody took note of it."
    )
    then_id: int | None = Field(
        description="An inspection from before whose picture is kept; null where none is."
    )
    now_id: int | None = Field(
        description="An inspection since then whose picture is kept; null where none is."
    )


class AlarmsOut(ReplyOut):
    """Alarms."""

    alarms: list[AlarmOut] = Field(description="The latest first.")


class OneAlarmOut(ReplyOut):
    """An alarm."""

    alarm: AlarmOut


class LeastShiftOut(Schema):
    """The least change of one fact that is found in time."""

    pictures: int = Field(description="Within so many, on average.")
    deviations: float = Field(description="In deviations of the good pictures.")


class WatchedStreamOut(Schema):
    """Pictures of one model at one station, that are watched."""

    model: str
    version: str
    station: str = Field(description="Empty for pictures without one.")
    active: bool = Field(description="Whether the version answers where a request names none.")
    pictures: int = Field(
        validation_alias="seen", description="That were watched against this version."
    )
    calibrated_on: int | None = Field(
        description="Good pictures that say what is usual; null where the version is not here."
    )
    least_shift: LeastShiftOut | None = Field(description="Null where nothing would be found.")


class PromiseOut(Schema):
    """What a model rejects, beside what its thresholds promise."""

    model: str
    version: str
    alpha: float | None = Field(
        description="Share of good parts that its thresholds were found for."
    )
    promise: Literal["proven", "measured"] | None = Field(
        description="What `alpha` is; null where the version is not here."
    )
    promised: float | None = Field(
        description="Share of good parts that one honest model of twenty rejects more than. Null "
        "where the thresholds were found for none."
    )
    parts: int = Field(
        validation_alias=AliasPath("rejects", "parts"),
        description="That were judged by the version's own thresholds.",
    )
    rejected: int = Field(
        validation_alias=AliasPath("rejects", "rejected"),
        description="Of these. Defects are among them.",
    )
    low: float = Field(
        validation_alias=AliasPath("between", "low"),
        description="Least share of rejects that 95 % allow, at all times at once.",
    )
    high: float = Field(
        validation_alias=AliasPath("between", "high"), description="The highest one."
    )
    broken: bool = Field(
        validation_alias=AliasPath("rejects", "broken"),
        description="Whether more were rejected than promised: parts have got worse, or the model "
        "rejects good ones.",
    )


class WatchOut(ReplyOut):
    """What is watched."""

    pictures_between: int = Field(
        description="False alarms of one stream are at least so many pictures apart, on average."
    )
    streams: list[WatchedStreamOut]
    promises: list[PromiseOut]
    calling: list[AlarmOut] = Field(description="The alarms that somebody should look at now.")


class SpreadOut(Schema):
    """Where nine of ten values of a fact lie, and the one in the middle."""

    low: float
    median: float
    high: float


class CoursePointOut(Schema):
    """Pictures that follow each other."""

    at: Moment = Field(validation_alias="at_us", description="Of the first one.")
    inspection_id: int = Field(description="The first one.")
    spread: SpreadOut


class CourseOut(ReplyOut):
    """The course of a fact over the latest pictures."""

    fact: FactName
    meaning: str = Field(description="Of its values, with their unit.")
    usual: SpreadOut | None = Field(description="Over the good pictures of the active version.")
    points: list[CoursePointOut] = Field(description="The earliest first.")
    pictures: int = Field(description="Number of all pictures in them.")


class OddFactOut(Schema):
    """A fact of a picture, beside those of good ones."""

    fact: FactName
    meaning: str
    value: float
    usual: float = Field(description="Its median over the good pictures.")
    tail: float = Field(
        description="Share of good pictures that are as far out, on either side; 1 is the middle."
    )
    high: bool = Field(description="Whether it is higher than usual.")


class OddnessOut(ReplyOut):
    """How odd a picture is among the good ones."""

    id: int = Field(description="The inspection's number.")
    score: float = Field(description="ECOD's score: 0 and more.")
    odder: float = Field(description="Share of good pictures that are at least as odd.")
    facts: list[OddFactOut] = Field(description="The oddest first.")


class MarkOut(Schema):
    """What somebody did at a line."""

    id: int
    at: Moment = Field(validation_alias="at_us")
    station: str = Field(description="Empty for all stations.")
    kind: MarkKind
    note: str
    who: str


class MarksOut(ReplyOut):
    """Marks."""

    marks: list[MarkOut] = Field(description="The latest first.")


class OneMarkOut(ReplyOut):
    """A mark."""

    mark: MarkOut


class AcknowledgementIn(ByReviewer):
    """What somebody says of an alarm."""

    model_config = ConfigDict(json_schema_extra={"example": {"note": "lamp 2 is replaced tonight"}})

    note: str | None = Field(None, min_length=1, max_length=MOST_OF_TEXT)


class SnoozeIn(ByReviewer):
    """For how long an alarm is to call nobody."""

    model_config = ConfigDict(json_schema_extra={"example": {"hours": 8}})

    hours: float = Field(gt=0, le=MOST_SNOOZED_H)


class MarkIn(ByReviewer):
    """What somebody did at a line."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"kind": "maintenance", "note": "lens cleaned"}}
    )

    kind: MarkKind = Field(
        description="`maintenance`: the watches of the station begin anew. `shift`: only a mark."
    )
    station: Text = Field("", description="Empty for all stations.")
    note: str = Field("", max_length=MOST_OF_TEXT)
