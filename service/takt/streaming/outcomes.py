"""The outcome of a frame, its message, and the last outcomes for a connection that was lost."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field, replace

from takt.core.domain import Inspection, Json, inspection_json
from takt.core.problem import problem_of
from takt.streaming.evidence import VoteCount

KEPT_HEATMAP_BYTES = 16 * 1024 * 1024
"""Most bytes of heatmaps that a stream keeps; the oldest answers give theirs up first."""


@dataclass(frozen=True, slots=True)
class ViewAnswer:
    """What is answered of the part that a frame shows a view of.

    Attributes:
        part: id of the part.
        number: tells it from other parts of this id.
        recipe: name of the recipe.
        revision: of the recipe.
        view: name of the view.
        result: of the part, if this view was inspected last; else None.
    """

    part: str
    number: int
    recipe: str
    revision: int
    view: str
    result: Json | None


@dataclass(frozen=True, slots=True)
class InspectedView:
    """A view that was inspected and taken.

    Attributes:
        inspection: the answer.
        answer: what is said of its part.
    """

    inspection: Inspection
    answer: ViewAnswer


@dataclass(frozen=True, slots=True)
class AnsweredFrame:
    """A frame that was inspected.

    Attributes:
        sequence: of the frame.
        captured_us: in µs since 1970, by the sender's clock; 0 if unknown.
        inspection: the answer.
        age_ms: from the frame's arrival to its answer.
        dropped: frames of the stream that were dropped so far.
        smoothed_score: None where the stream has no smoothing, and of a view.
        vote: None where the stream has no vote, and of a view.
        view: of a part that it shows; None where it is a frame like others.
    """

    sequence: int
    captured_us: int
    inspection: Inspection
    age_ms: float
    dropped: int
    smoothed_score: float | None
    vote: VoteCount | None
    view: ViewAnswer | None = None


@dataclass(frozen=True, slots=True)
class FailedFrame:
    """A frame that could not be answered, with the fields of the error.

    It does not hold the exception itself, whose traceback would hold the picture. `age_ms` is from
    the frame's arrival to its refusal, where that is known; it is counted, but not sent. Nor is
    `model`, for which it counts: that of a view's recipe; None for the stream's.
    """

    sequence: int
    status: int
    code: str
    title: str
    detail: str
    age_ms: float = field(default=0.0, compare=False)
    model: str | None = None


@dataclass(frozen=True, slots=True)
class DroppedFrame:
    """A frame that a newer one replaced; `dropped` counts the stream's, this one included."""

    sequence: int
    dropped: int


Outcome = AnsweredFrame | FailedFrame | DroppedFrame


def answer_json(answer: AnsweredFrame, request_id: str) -> Json:
    """An answer; the heatmap's bytes follow it as a message of their own."""
    inspection = answer.inspection
    heatmap = inspection.heatmap
    if heatmap is not None:
        inspection = inspection._replace(heatmap=None)
    return {
        "type": "answer",
        "sequence": answer.sequence,
        "captured_us": answer.captured_us,
        "age_ms": round(answer.age_ms, 3),
        "dropped": answer.dropped,
        **inspection_json(inspection, request_id),
        "smoothed_score": answer.smoothed_score,
        "vote": None if answer.vote is None else asdict(answer.vote),
        "view": None if answer.view is None else asdict(answer.view),
        "heatmap": None
        if heatmap is None
        else {"kind": heatmap.kind, "format": heatmap.format, "bytes": len(heatmap.data)},
    }


def failed_of(sequence: int, error: Exception, request_id: str) -> FailedFrame:
    """The outcome of a frame that an exception ended; logged as `problem_of` says."""
    problem = problem_of(error, request_id)
    return FailedFrame(sequence, problem.status, problem.code, problem.title, problem.detail)


def failed_json(failed: FailedFrame) -> Json:
    """Why a frame has no answer."""
    fields = asdict(failed)
    del fields["age_ms"], fields["model"]
    return {"type": "error", **fields}


def dropped_json(dropped: DroppedFrame) -> Json:
    """A frame that a newer one replaced."""
    return {"type": "dropped", "sequence": dropped.sequence, "dropped": dropped.dropped}


class KeptOutcomes:
    """The last outcomes of a stream, sent or not.

    Args:
        most: outcomes that are kept: as many as a client may miss.
        heatmap_bytes: as `KEPT_HEATMAP_BYTES`.
    """

    def __init__(self, most: int, heatmap_bytes: int = KEPT_HEATMAP_BYTES) -> None:
        self._most = most
        self._heatmap_bytes = heatmap_bytes
        self._kept: deque[Outcome] = deque()
        self._held_bytes = 0

    def add(self, outcome: Outcome) -> None:
        """Keep one more, and drop what exceeds the bounds."""
        self._kept.append(outcome)
        self._held_bytes += _heatmap_bytes(outcome)
        if len(self._kept) > self._most:
            self._held_bytes -= _heatmap_bytes(self._kept.popleft())
        for i, kept in enumerate(self._kept):
            if self._held_bytes <= self._heatmap_bytes:
                break
            if isinstance(kept, AnsweredFrame):
                self._held_bytes -= _heatmap_bytes(kept)
                self._kept[i] = replace(kept, inspection=kept.inspection._replace(heatmap=None))

    def after(self, sequence: int | None) -> list[Outcome]:
        """Outcomes of later frames, in the order in which they came about; all, after None."""
        return [kept for kept in self._kept if sequence is None or kept.sequence > sequence]


def _heatmap_bytes(outcome: Outcome) -> int:
    if isinstance(outcome, AnsweredFrame) and outcome.inspection.heatmap is not None:
        return len(outcome.inspection.heatmap.data)
    return 0
