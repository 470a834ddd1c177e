"""What becomes of a part: one verdict on all of its views."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import TypeAdapter

from takt.core.domain import Verdict, VerdictName

EndedBy = Literal["views", "end", "deadline", "closing"]
"""What gave a part its result: its last view, a caller, its deadline, or the server's end."""

NoDecision = Literal["missing_view", "undecided"]
"""Why a part is undecided: a view has not come in time, or one cannot be judged."""


@dataclass(frozen=True, slots=True)
class SeenView:
    """A view that was inspected.

    Attributes:
        view: its name.
        request_id: of the request that brought it.
        model: that has answered.
        version: of the model.
        verdict: on the view alone.
        score: of the picture.
        threshold: of the score.
        scaled: how near the view is to being rejected, 1 at its thresholds; None where they are
            not above 0, so that nothing can be said in shares of them.
    """

    view: str
    request_id: str
    model: str
    version: str
    verdict: VerdictName
    score: float
    threshold: float
    scaled: float | None


@dataclass(frozen=True, slots=True)
class PartView:
    """One of the views that a part should have.

    Attributes:
        name: of the view.
        seen: what became of it; None where it is missing.
    """

    name: str
    seen: SeenView | None


@dataclass(frozen=True, slots=True)
class PartResult:
    """The one result of a part.

    Attributes:
        part: id of the part, as the caller has it.
        number: tells it from other parts of that id; a later one has a higher number.
        recipe: name of the recipe.
        revision: of the recipe, for all of its views.
        began_us: when its first view came, in µs of Unix time.
        ended_us: when it got the result, in µs of Unix time by the clock as it was at its begin.
        ended_by: what gave it the result.
        verdict: defect where a view is, and none is missing; good where all of them are.
        reason: why it is undecided; None where it is not.
        score: the highest of its views' scaled scores; None where there is none.
        view: whose that is.
        station: where it was, as the first view says.
        lot: that it belongs to, as the first view says.
        views: all views of the recipe, in its order.
        tags: anything else that the first view says, as names and values.
    """

    part: str
    number: int
    recipe: str
    revision: int
    began_us: int
    ended_us: int
    ended_by: EndedBy
    verdict: VerdictName
    reason: NoDecision | None
    score: float | None
    view: str | None
    station: str | None
    lot: str | None
    views: tuple[PartView, ...]
    tags: Mapping[str, str] = field(default_factory=dict)


RESULTS: Final = TypeAdapter(PartResult)
"""Reads results again that went by JSON."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided of a part by its views.

    Attributes:
        verdict: on the part.
        reason: why it is undecided; None where it is not.
        score: the highest scaled score; None where no view has one.
        view: whose that is.
    """

    verdict: VerdictName
    reason: NoDecision | None
    score: float | None
    view: str | None


def decide(views: tuple[PartView, ...]) -> Decision:
    """The verdict on a part: a missing view is no decision, whatever the others say.

    >>> good = SeenView("top", "r1", "nut", "1", "good", 0.2, 0.5, 0.4)
    >>> decide((PartView("top", good), PartView("side", None))).reason
    'missing_view'
    >>> decide((PartView("top", good),)).verdict
    'good'
    """
    seen = [one.seen for one in views if one.seen is not None]
    highest = max(
        (one for one in seen if one.scaled is not None),
        key=lambda one: -math.inf if one.scaled is None else one.scaled,
        default=None,
    )
    score, view = (None, None) if highest is None else (highest.scaled, highest.view)
    if len(seen) < len(views):
        return Decision("undecided", "missing_view", score, view)
    verdicts = {one.verdict for one in seen}
    if "defect" in verdicts:
        return Decision("defect", None, score, view)
    if "undecided" in verdicts:
        return Decision("undecided", "undecided", score, view)
    return Decision("good", None, score, view)


def scaled_score(verdict: Verdict) -> float | None:
    """How near a view is to being rejected: above 1 only if its score or its map rejects it.

    None where a threshold is not above 0, or the score is so far below that it says nothing.
    """
    if verdict.threshold <= 0 or verdict.pixel_threshold <= 0:
        return None
    scaled = verdict.score / verdict.threshold
    if math.isfinite(verdict.pixel_threshold):
        scaled = max(scaled, verdict.peak / verdict.pixel_threshold)
    return scaled if math.isfinite(scaled) else None
