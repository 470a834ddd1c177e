"""Messages that open, steer and end a stream.

The messages about its frames stand in `takt.streaming.outcomes`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal, Self

import orjson
from pydantic import ConfigDict, Field, field_validator, model_validator

from takt.api.given import BodyIn, validated
from takt.api.labels import Label, Tags
from takt.api.multiview.schemas import PlainName
from takt.api.schemas import OptionsIn
from takt.core.domain import Json, Labels
from takt.core.errors import RequestError
from takt.core.problem import Problem
from takt.streaming.evidence import MOST_VOTES, VotingRule
from takt.streaming.frames import LAST_SEQUENCE, FrameView
from takt.streaming.session import Policy, Session
from takt.streaming.statistics import StreamStatistics

PART_ID = r"^[^\x00-\x1f\x7f/]+$"
"""Of a part's id: what the path of `GET /v1/parts/{id}` can have."""

MOST_TEXT = 64 * 1024
"""Most characters of a text message; real ones are much shorter."""


class VoteIn(BodyIn):
    """A part counts as anomalous if k of its last n frames do."""

    model_config = ConfigDict(frozen=True)

    k: int = Field(ge=1)
    n: int = Field(ge=1, le=MOST_VOTES)

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.k > self.n:
            raise ValueError("k may be n at most")
        return self


class Hello(OptionsIn):
    """A client's first message; an unknown field is refused, since it may be a typo.

    >>> hello_of('{"type": "hello", "policy": "latest", "heatmap": "map"}').heatmap
    'map'
    """

    model_config = ConfigDict(strict=True, frozen=True)

    type: Literal["hello"]
    policy: Policy = "all"
    vote: VoteIn | None = None
    smoothing: float | None = Field(None, gt=0, le=1)
    session: str | None = Field(None, max_length=64)
    last_sequence: int | None = Field(None, ge=0, le=LAST_SEQUENCE)
    tags: Tags | None = None  # type: ignore[assignment]

    @field_validator("last_sequence", mode="before")
    @classmethod
    def _is_whole(cls, value: object) -> object:
        # A number beyond 64 bits is a float by now.
        if isinstance(value, float):
            raise ValueError(f"must be a whole number of 0 to {LAST_SEQUENCE}, as a frame's is")
        return value

    @property
    def labels(self) -> Labels:
        """What the record is to say of every frame, unless a message of type part follows."""
        return Labels(self.station, self.part, self.lot, tuple((self.tags or {}).items()))

    @property
    def wishes(self) -> Hello:
        """All but the session: what must stay the same where a stream resumes."""
        return self.model_copy(update={"session": None, "last_sequence": None})

    @property
    def vote_rule(self) -> VotingRule | None:
        """The vote's rule, if there is a vote."""
        return None if self.vote is None else VotingRule(self.vote.k, self.vote.n)


class _OfPart(BodyIn):
    """What a message says of the part that frames show."""

    model_config = ConfigDict(frozen=True)

    part: str | None
    station: Label | None = None
    lot: Label | None = None
    tags: Tags | None = None

    @property
    def labels(self) -> Labels:
        """The labels as the record takes them."""
        return Labels(self.station, self.part, self.lot, tuple((self.tags or {}).items()))


class PartMessage(_OfPart):
    """Says what part the next frames show, until another such message comes.

    What it leaves out stays as the hello said.
    """

    type: Literal["part"]
    part: Label | None = None


class ViewMessage(_OfPart):
    """Says which view of which part the next frame shows, and by which recipe it is inspected.

    What it leaves out is as the hello said.
    """

    type: Literal["view"]
    part: Annotated[str, Field(min_length=1, max_length=128, pattern=PART_ID)]
    view: PlainName
    recipe: PlainName
    again: bool = False

    @property
    def shown(self) -> FrameView:
        """What the frame shows."""
        return FrameView(self.part, self.view, self.recipe, self.again)


def message_of(text: str) -> Json:
    """A text message, read: an object with a type.

    Raises:
        RequestError: the text is no such message.
    """
    try:
        message = orjson.loads(text) if len(text) <= MOST_TEXT else None
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise RequestError(
            "a text message must be a JSON object with a `type`, such as "
            f'{{"type": "stats"}}, of at most {MOST_TEXT} characters'
        )
    return message


def hello_of(text: str) -> Hello:
    """The hello, read and checked.

    Raises:
        RequestError: the text is another message.
        InvalidParameterError: a field is unknown or out of range.
    """
    message = message_of(text)
    if message["type"] != "hello":
        raise RequestError(f"the first message is of type {message['type']!r}; say hello first")
    return validated(Hello, message, "hello")


def welcome_json(session: Session, *, resumed: bool, model: str, version: str) -> Json:
    """The answer to the hello."""
    return {
        "type": "welcome",
        "session": session.key,
        "resumed": resumed,
        "model": model,
        "version": version,
        "policy": session.rules.policy,
        "credits": session.rules.room,
        "next_sequence": session.next_sequence,
    }


def problem_json(problem: Problem) -> Json:
    """An error of the stream itself."""
    fields = asdict(problem)
    del fields["headers"]
    return {"type": "error", **fields}


def statistics_json(kind: Literal["stats", "bye", "ended"], figures: StreamStatistics) -> Json:
    """The stream's figures, as the answer to a message of this type."""
    return {"type": kind, "stats": asdict(figures)}
