"""The messages that open, steer and end a stream; those of its frames are with their outcomes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.domain import HeatmapKind, ImageFormat, InspectOptions, Json, Priority
from service.errors import InvalidParameterError, Problem, RequestError, validation_message
from service.streaming.evidence import MOST_VOTES, VoteRule
from service.streaming.figures import Figures
from service.streaming.session import Policy, Session

MOST_TEXT = 64 * 1024
"""Characters of a text message; ours are much shorter."""


class VoteIn(BaseModel):
    """A part counts as anomalous if k of its last n frames do."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    k: int = Field(ge=1)
    n: int = Field(le=MOST_VOTES)

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.k > self.n:
            raise ValueError("k may be n at most")
        return self


class Hello(BaseModel):
    """What a client says first; a field that is not here is refused, since it may be a typo."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True, frozen=True)

    type: Literal["hello"]
    policy: Policy = "all"
    heatmap: HeatmapKind = "none"
    format: ImageFormat = "jpeg"
    threshold: float | None = None
    pixel_threshold: float | None = None
    timeout_ms: float | None = Field(None, gt=0, le=3_600_000)
    priority: Priority = "line"
    vote: VoteIn | None = None
    smoothing: float | None = Field(None, gt=0, le=1)
    session: str | None = Field(None, max_length=64)
    last_sequence: int | None = Field(None, ge=0, lt=2**64)

    @property
    def wishes(self) -> Hello:
        """All but the session: what must be the same where a stream goes on."""
        return self.model_copy(update={"session": None, "last_sequence": None})

    @property
    def vote_rule(self) -> VoteRule | None:
        """The vote, as the stream counts it."""
        return None if self.vote is None else VoteRule(self.vote.k, self.vote.n)

    def options(self, default_timeout_ms: float) -> InspectOptions:
        """What each frame asks for."""
        timeout_ms = default_timeout_ms if self.timeout_ms is None else self.timeout_ms
        return InspectOptions(
            heatmap=self.heatmap,
            format=self.format,
            threshold=self.threshold,
            pixel_threshold=self.pixel_threshold,
            timeout_s=timeout_ms / 1000,
            priority=self.priority,
        )


def message_of(text: str) -> Json:
    """A text message as an object with a type.

    Raises:
        RequestError: it is none.
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
    """The hello.

    Raises:
        RequestError: another message.
        InvalidParameterError: a field that does not exist or is out of range.
    """
    message = message_of(text)
    if message["type"] != "hello":
        raise RequestError(f"the first message is of type {message['type']!r}; say hello first")
    try:
        return Hello.model_validate(message)
    except ValidationError as error:
        raise InvalidParameterError(validation_message(error, "hello")) from None


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
    """What is wrong with the stream itself."""
    return {
        "type": "error",
        "status": problem.status,
        "code": problem.code,
        "title": problem.title,
        "detail": problem.detail,
    }


def figures_json(kind: Literal["stats", "bye"], figures: Figures) -> Json:
    """The figures, as the answer to `kind`."""
    return {"type": kind, "stats": asdict(figures)}
