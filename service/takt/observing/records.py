"""Notes of how pictures ended, what came with them, and the protocol of what takes both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from takt.core.domain import (
    NO_LABELS,
    FactVector,
    Json,
    Labels,
    ProtocolName,
    RawPicture,
    Source,
    Timings,
    Verdict,
    VerdictName,
    WarningCode,
    Witness,
    witness_of,
)


class AnswerRecord(NamedTuple):
    """A picture that was inspected.

    A named tuple, as one is made for each picture and a frozen dataclass takes three times as long.

    Attributes:
        model: name of the model that answered.
        version: its version.
        verdict: its verdict.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        timings: times by stage.
        by: protocol by which the picture came.
        request_id: id of the request, or of the frame.
        trace_id: id of the trace, if there is one.
        at_s: time of the answer, in Unix time.
        warnings: what speaks against the answer.
        source: what gave the answer.
        station: where the picture was taken, as the caller says; None where it says nothing.
        facts: of the picture, where the bundle has those of good ones.
    """

    model: str
    version: str
    verdict: Verdict
    width: int
    height: int
    timings: Timings
    by: ProtocolName
    request_id: str
    trace_id: str | None
    at_s: float
    warnings: tuple[WarningCode, ...]
    source: Source
    station: str | None = None
    facts: FactVector | None = None


class RefusalRecord(NamedTuple):
    """A picture that was answered by an error.

    Attributes:
        model: name of the model, or `unknown`.
        code: code of the error.
        status: HTTP status of the error, whatever the protocol.
        by: protocol by which the picture came.
        request_id: id of the request, or of the frame.
        trace_id: id of the trace, if there is one.
        at_s: time of the refusal, in Unix time.
    """

    model: str
    code: str
    status: int
    by: ProtocolName
    request_id: str
    trace_id: str | None
    at_s: float


class ViewOfPart(NamedTuple):
    """Which view of which part a picture is; the part's id is among the labels.

    Attributes:
        number: of the part, which tells it from others of its id.
        view: name of the view.
    """

    number: int
    view: str


class Deciding(NamedTuple):
    """What decided on a part.

    Attributes:
        view: name of the view that did: the first one that is missing or cannot be judged, or of
            those that are a defect the one that is furthest over its thresholds; None where all
            are good.
        witness: what decided that this view is a defect; None where the part is none.
    """

    view: str | None = None
    witness: Witness | None = None


def deciding(verdict: VerdictName, reason: str | None, views: Sequence[Json]) -> Deciding:
    """What decided on a part.

    Args:
        verdict: on the part.
        reason: why it is undecided; None where it is not.
        views: what became of each, as JSON.
    """
    if verdict == "good":
        return Deciding()
    if reason == "missing_view":
        return Deciding(next(one["name"] for one in views if one["seen"] is None))
    of_verdict = [one["seen"] for one in views if one["seen"] and one["seen"]["verdict"] == verdict]
    if verdict == "undecided":
        return Deciding(of_verdict[0]["view"])
    seen = max(of_verdict, key=_nearness)
    return Deciding(seen["view"], witness_of(verdict, seen["score"], seen["threshold"]))


def _nearness(seen: Json) -> float:
    return -math.inf if seen["scaled"] is None else float(seen["scaled"])


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part of several views that has its result.

    Attributes:
        number: tells it from other parts of its id; a later one has a higher number.
        part: id of the part.
        recipe: name of its recipe.
        revision: of the recipe.
        began_us: when its first view came, in µs of Unix time.
        ended_us: when it got its result, in µs of Unix time.
        ended_by: what gave it the result.
        verdict: on the part.
        reason: why it is undecided; None where it is not.
        score: the highest scaled score of its views; None where there is none.
        view: whose that is.
        station: where it was; None where nobody said so.
        lot: that it belongs to; None where nobody said so.
        views: what became of each view of the recipe, as JSON.
        tags: anything else that the first view says, as names and values.
    """

    number: int
    part: str
    recipe: str
    revision: int
    began_us: int
    ended_us: int
    ended_by: str
    verdict: VerdictName
    reason: str | None
    score: float | None
    view: str | None
    station: str | None
    lot: str | None
    views: Sequence[Json]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def decided(self) -> Deciding:
        """What decided."""
        return deciding(self.verdict, self.reason, self.views)


class Asked(NamedTuple):
    """What came with a picture, and the picture itself.

    Attributes:
        picture: as it came; None where nobody keeps it.
        caller: who sent it, by the name of a key; empty where callers are not told apart.
        labels: what the caller says of the part.
        view: of a part of several views; None where the picture is no such view.
    """

    picture: bytes | memoryview | RawPicture | None = None
    caller: str = ""
    labels: Labels = NO_LABELS
    view: ViewOfPart | None = None


NOTHING_ASKED = Asked()


class Outlet(Protocol):
    """Where answers go beside the caller, such as the record; see `takt.outlets`."""

    def start(self) -> None:
        """Begin; called once, before the first answer."""

    def note(self, answer: AnswerRecord, asked: Asked) -> None:
        """Take an answer and its picture at once, on the event loop.

        Nothing waits, and nothing is raised; what finds no room is counted.
        """

    def note_part(self, part: PartRecord) -> None:
        """Take the result of a part of several views, which follows the answers to its views.

        Nothing waits, and nothing is raised; what finds no room is counted.
        """

    def close(self, timeout_s: float) -> None:
        """Finish what was taken within a time, and end; what is left then is counted as lost."""


class Ledger(Protocol):
    """The record of a server whose answers wait for it."""

    async def commit(self, answers: Sequence[tuple[AnswerRecord, Asked]], within_s: float) -> None:
        """Have answers stored, and their pictures where a rule keeps them, on the disk.

        Args:
            answers: with what came with each.
            within_s: longest wait.

        Raises:
            RecordError: one is not there, and has no answer.
        """
