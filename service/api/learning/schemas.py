"""The JSON of learning."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from families.every import learnable, named, names_of, usual
from service.api.schemas import Schema
from service.core.naming import NAME_PATTERN
from service.learning.job import LearningState
from service.learning.obstacles import ObstacleCode
from service.learning.wish import LearnedFamily, LearningDevice, Wish

VersionStanding = Literal["active", "waiting", "loading", "failed", "unsigned"]

_SIZE = r"^(auto|[0-9]{1,4}(x[0-9]{1,4})?)$"


class LearningIn(BaseModel):
    """What is to be learned.

    >>> LearningIn(model="nut", alpha=0.05).wish().alpha
    0.05
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        json_schema_extra={"example": {"model": "parts"}},
    )

    model: str = Field(pattern=NAME_PATTERN, description="Its next version is made.")
    update: bool = Field(
        False,
        description="Add the pictures to the bank of the active version, instead of learning anew.",
    )
    family: LearnedFamily = Field(
        usual().name,
        description="Of the detector: a bank of features, which takes seconds, or a network, which "
        "trains for `minutes`.",
    )
    alpha: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of good pictures that may be rejected; as few as the pictures allow "
        "without.",
    )
    minutes: float | None = Field(
        None, gt=0, le=1440, description="Time of a network's fit; 20 without."
    )
    size: Annotated[str, Field(pattern=_SIZE)] | None = Field(
        None, description="Of the model's input: N, WxH or auto; the family's own without."
    )
    device: LearningDevice = Field(
        "cpu", description="auto: on a GPU if there is one, which it shares with the engines."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.update and (self.size is not None or not named(self.family).takes_more):
            those = names_of(one for one in learnable() if one.takes_more)
            raise ValueError(f"update: only a {those} can be updated, and it keeps its size")
        return self

    def wish(self) -> Wish:
        """What is to be learned."""
        return Wish(**self.model_dump())


class LearnedOut(Schema):
    """What was learned."""

    version: str
    pictures: str = Field(description="That it was learned from, in words.")
    threshold: float = Field(description="Of its score.")
    promise: str = Field(description="Of its thresholds, in words.")
    self_test: str | None = Field(description="The result on made-up defects, in words.")
    findings: list[str] = Field(description="What speaks against it, the gravest first.")
    compared: list[str] = Field(
        description="An update beside the version before, on the same pictures; a line each."
    )
    notes: list[str] = Field(description="What else its answers rest on, in words.")
    standing: VersionStanding = Field(
        description="Whether it is active, waits for its activation, is being loaded, cannot be "
        "served, or waits for a signature."
    )
    reason: str | None = Field(
        description="Why it cannot be served, or how it is signed, or why no version of the model "
        "answers while it waits."
    )


class LearningJobOut(Schema):
    """One learning."""

    id: str
    model: str
    update: bool
    family: LearnedFamily
    alpha: float | None
    minutes: float | None
    size: str | None
    device: LearningDevice
    by: str = Field(description="Name of who asked.")
    state: LearningState = Field(
        description="`collecting` takes pictures; so does `failed`, to be started again."
    )
    created_at: str = Field(description="UTC, ISO 8601.")
    started_at: str | None
    ended_at: str | None
    pictures: int = Field(description="Different pictures that it has.")
    bytes: int = Field(description="Of their files.")
    duplicates: int = Field(description="Files that were copies of others, and left out.")
    stages: list[str] = Field(description="That it goes through, in their order.")
    stage: str | None = Field(description="In which it is; null before the first.")
    share: float = Field(description="Of the whole way, 0 to 1.")
    detail: str = Field(description="How far the stage is, in words.")
    warnings: list[str]
    log: list[str] = Field(description="The last lines of the process.")
    error: str | None = Field(description="Why it failed.")
    learned: LearnedOut | None = Field(description="What came of it; null before its end.")


class LearningOut(LearningJobOut):
    """The answer to a request that concerns a learning."""

    request_id: str


class ObstacleOut(Schema):
    """Why this server cannot learn."""

    code: ObstacleCode
    detail: str = Field(description="What to do about it.")


class LearningBoundsOut(Schema):
    """How much a learning may be given."""

    pictures: int
    bytes: int


class LearningsOut(Schema):
    """The learnings of this server, and what it needs for them."""

    jobs: list[LearningJobOut] = Field(
        description="The newest first; at most one is collecting or running."
    )
    obstacles: list[ObstacleOut] = Field(description="What keeps this server from learning.")
    signing: str | None = Field(
        description="How a new version is signed, where this server serves signed ones alone."
    )
    bounds: LearningBoundsOut


class _CountsOut(Schema):
    """How many pictures a learning has by now."""

    request_id: str
    pictures: int = Field(description="Different pictures that there are by now.")
    bytes: int = Field(description="Of their files.")
    duplicates: int = Field(description="Files that were copies of others, and left out.")


class GivenOut(_CountsOut):
    """What became of a picture that was sent."""

    new: bool = Field(description="Whether it is no copy of another one.")


class GatheredOut(_CountsOut):
    """What became of pictures of the record."""

    new: int = Field(description="Pictures that were added.")
    missing: int = Field(description="Inspections whose pictures are not kept any more.")
    unread: int = Field(description="Pictures of a format that is not read again.")
    full: str | None = Field(description="Why not all of them found room; null if they did.")
