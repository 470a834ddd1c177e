"""The JSON of learning."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AliasPath, ConfigDict, Field, model_validator

from takt.api.given import BodyIn
from takt.api.schemas import ReplyOut, Schema
from takt.core.families.every import learnable, named, names_of, usual
from takt.core.judged import JudgedWord
from takt.core.naming import NAME_PATTERN
from takt.learning.job import AdvisedSetting, LearningState
from takt.learning.obstacles import ObstacleCode
from takt.learning.taught import NewVerdict
from takt.learning.wish import LearnedFamily, LearningDevice, Wish

VersionStanding = Literal["active", "waiting", "loading", "failed", "unsigned"]

_SIZE = r"^(auto|[0-9]{1,4}(x[0-9]{1,4})?)$"


class LearningIn(BodyIn):
    """What is to be learned.

    >>> LearningIn(model="nut", alpha=0.05).wish().alpha
    0.05
    """

    model_config = ConfigDict(json_schema_extra={"example": {"model": "parts"}})

    model: str = Field(pattern=NAME_PATTERN, description="Its next version is made.")
    update: bool = Field(
        False,
        description="Add the pictures to the bank of the active version, instead of learning anew.",
    )
    teach: bool = Field(
        False,
        description="Make the next version of the active one from what people judged, which is an "
        "`update`: judged defects teach it what to look for, pictures judged good show what turns. "
        "The pictures come from the record; `start` gathers them where nobody has.",
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

    pictures_of: str | None = Field(
        None,
        max_length=64,
        description="Id of a learning that is over: this one begins with its pictures, which that "
        "one does not have any more. They are there while `pictures_kept` says so.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        those = names_of(one for one in learnable() if one.takes_more)
        fits = self.size is None and named(self.family).takes_more
        if self.teach and not (fits and self.minutes is None):
            raise ValueError(
                f"teach: only a {those} can be taught, and it keeps its size and is not trained; "
                "leave family, size and minutes out"
            )
        if self.teach and self.pictures_of is not None:
            raise ValueError(
                "pictures_of: a teaching takes the judged pictures of the record; leave it out"
            )
        if self.update and not fits:
            raise ValueError(f"update: only a {those} can be updated, and it keeps its size")
        if self.minutes is not None and not named(self.family).is_trained:
            raise ValueError(f"minutes: a {self.family} is not trained; leave minutes out")
        return self

    def wish(self) -> Wish:
        """What is to be learned; whatever is taught is an update.

        >>> LearningIn(model="nut", teach=True).wish().update
        True
        """
        return Wish(**(self.model_dump() | {"update": self.update or self.teach}))


class TurnedOut(Schema):
    """A picture of which the new version says the opposite."""

    file: str = Field(
        description="In the folder of the learning: `passed/…`, `good/…` or `defect/…`."
    )
    inspection: int | None = Field(description="Its number in the record.")
    judgement: JudgedWord | None = Field(
        description="What people said of it; null for a picture that nobody has judged."
    )
    to: NewVerdict = Field(description="What the new version says.")
    score_before: float = Field(description="By the version before.")
    score_after: float = Field(
        description="By the new version; scores of two versions are not the same."
    )
    threshold_before: float = Field(description="Of the score by the version before.")
    threshold_after: float = Field(description="Of the score by the new version.")


class DoubtOut(Schema):
    """A judgement that the other ones speak against; somebody looks at it once more."""

    file: str = Field(description="In the folder of the learning.")
    inspection: int | None = Field(description="Its number in the record.")
    judgement: JudgedWord = Field(description="What people said of it.")
    why: str = Field(description="It is in doubt, in words.")


class TaughtOut(Schema):
    """What judged pictures have changed; counted on pictures that decided nothing themselves."""

    defects: int = Field(description="Judged defects that it was taught by.")
    good: int = Field(
        description="Pictures judged good; they showed what turns, and taught nothing."
    )
    passed: int = Field(
        description="Pictures that the version before has passed and nobody has judged: both "
        "versions were asked, and neither was taught by them."
    )
    found: int = Field(
        description="Of the judged defects, those that the new version rejects, each by what was "
        "taught without it."
    )
    compared: int = Field(
        description="Of the judged defects, those that the version before was not taught with; the "
        "two are compared by these alone. 0 where there is none, or nobody knows."
    )
    found_before: int = Field(
        description="Of the compared defects, those that the version before rejects."
    )
    found_after: int = Field(
        description="Of the compared defects, those that the new version rejects, each by what was "
        "taught without it."
    )
    bank_found_before: int | None = Field(
        description="Of the compared defects, those that the bank of the version before finds "
        "alone; null where that is not known."
    )
    bank_found_after: int | None = Field(
        description="Of the compared defects, those that the bank of the new version finds alone; "
        "null where that is not known."
    )
    turned: list[TurnedOut] = Field(
        description="Pictures of which the new version says the opposite; at most 100."
    )
    turned_rejected: int = Field(
        description="Pictures that it rejects and the version before passed, in `turned` or not."
    )
    turned_accepted: int = Field(
        description="Pictures that it passes and the version before rejected, in `turned` or not."
    )
    p_value: float | None = Field(
        description="Of McNemar's exact test of what has turned: how often chance alone would turn "
        "so many one way. Null where too few have turned."
    )
    doubts: list[DoubtOut] = Field(
        description="Judgements that the other ones speak against; at most 100."
    )
    kinds: dict[str, int] = Field(
        description="How many of the judged defects are of which kind; those of which nobody has "
        "named it are under an empty name."
    )


class AdviceOut(Schema):
    """A setting to try with the same pictures: make a learning with it and `pictures_of`."""

    setting: AdvisedSetting = Field(description="Of the learning.")
    value: float | str = Field(description="That is advised.")


class LearnedOut(Schema):
    """What was learned."""

    version: str
    pictures: str = Field(description="That it was learned from, in words.")
    threshold: float = Field(description="Of its score.")
    promise: str = Field(description="Of its thresholds, in words.")
    self_test: str | None = Field(description="The result on made-up defects, in words.")
    bears: str | None = Field(
        description="What movement, light and noise it bears, in words; null if not tested."
    )
    findings: list[str] = Field(description="What speaks against it, the gravest first.")
    advice: list[AdviceOut] = Field(
        description="Settings that may help against that, each for another learning."
    )
    compared: list[str] = Field(
        description="An update beside the version before, on the same pictures; a line each."
    )
    notes: list[str] = Field(description="What else its answers rest on, in words.")
    taught: TaughtOut | None = Field(
        description="What judged pictures have changed; null for a version that was not taught."
    )
    standing: VersionStanding = Field(
        description="Whether it is active, waits for its activation, is being loaded, cannot be "
        "served, or waits for a signature."
    )
    reason: str | None = Field(
        description="Why it cannot be served, or how it is signed, or why no version of the model "
        "answers while it waits."
    )


class GatheredCountsOut(Schema):
    """The pictures of a teaching."""

    defects: int = Field(description="Judged a defect.")
    good: int = Field(description="Judged good.")
    passed: int = Field(
        description="Passed by the active version and judged by nobody: they compare, and teach "
        "nothing."
    )


class LearningFactsOut(Schema):
    """One learning, whatever came of it."""

    id: str
    model: str = Field(validation_alias=AliasPath("wish", "model"))
    update: bool = Field(validation_alias=AliasPath("wish", "update"))
    teach: bool = Field(validation_alias=AliasPath("wish", "teach"))
    family: LearnedFamily = Field(validation_alias=AliasPath("wish", "family"))
    alpha: float | None = Field(validation_alias=AliasPath("wish", "alpha"))
    minutes: float | None = Field(validation_alias=AliasPath("wish", "minutes"))
    size: str | None = Field(validation_alias=AliasPath("wish", "size"))
    device: LearningDevice = Field(validation_alias=AliasPath("wish", "device"))
    pictures_of: str | None = Field(
        validation_alias=AliasPath("wish", "pictures_of"),
        description="Id of the learning whose pictures it began with; null if it began with none.",
    )
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
    pictures_kept: bool = Field(
        description="Whether its pictures are on the server. When it is done they stay until it is "
        "forgotten, another learning is made or the server ends; those of a teaching go at once."
    )
    gathered: GatheredCountsOut | None = Field(
        description="The pictures of a teaching, once they are there; null for other learnings."
    )
    stages: list[str] = Field(description="That it goes through, in their order.")
    stage: str | None = Field(description="In which it is; null before the first.")
    share: float = Field(description="Of the whole way, 0 to 1.")
    detail: str = Field(description="How far the stage is, in words.")
    warnings: list[str]
    log: list[str] = Field(description="The last lines of the process.")
    error: str | None = Field(description="Why it failed.")


class LearningJobOut(LearningFactsOut):
    """One learning."""

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


class _CountsOut(ReplyOut):
    """How many pictures a learning has by now."""

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
    gathered: GatheredCountsOut | None = Field(
        description="What the pictures of a teaching are; null for other learnings."
    )
    full: str | None = Field(description="Why not all of them found room; null if they did.")


class TeachableOut(ReplyOut):
    """How many judged pictures of a model there are to teach it with."""

    model: str
    version: str | None = Field(
        description="The active version, which a teaching goes on from; null if none is active."
    )
    made_at: str | None = Field(description="When that version was made; UTC, ISO 8601.")
    defects: int = Field(
        description="Different kept pictures whose latest judgement is a defect, whichever version "
        "answered."
    )
    good: int = Field(description="Those whose latest judgement is good.")
    missing: int = Field(
        description="Inspections judged either whose pictures are not kept, or not any more."
    )
    new: int = Field(
        description="Of defects and good ones, those judged since the active version was made."
    )
    obstacle: str | None = Field(
        description="Why the model cannot be taught now, and what to do; null if it can."
    )
