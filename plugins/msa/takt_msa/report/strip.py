"""What the report's chart of scores shows, as plain numbers; the template `study.html` draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from takt.digits import short
from takt_export.report.charts import Tick, round_numbers
from takt_msa.scores import PartScores, ScoreSpread

MOST_ROWS = 80
"""More parts would be a chart that nobody reads; those nearest to the threshold are shown."""

LONGEST_NAME = 24


@dataclass(frozen=True)
class StripRow:
    """The scores of a part's placements, as shares 0..1 of the chart's width.

    Attributes:
        name: of the part, shortened in its middle.
        kind: `good` or `defective`, the reference.
        scores: of the placements.
        told: the row in words.
    """

    name: str
    kind: str
    scores: tuple[float, ...]
    told: str


@dataclass(frozen=True)
class Strip:
    """Scores of parts on one axis, the highest mean first.

    Attributes:
        rows: of parts.
        ticks: of the axis.
        threshold: its place as a share 0..1 of the width.
        zone: places of the ends of the zone of doubt; None without one.
        left_out: parts that are not shown.
        cut: whether the right end also holds higher scores.
        description: the chart in words.
    """

    rows: tuple[StripRow, ...]
    ticks: tuple[Tick, ...]
    threshold: float
    zone: tuple[float, float] | None
    left_out: int
    cut: bool
    description: str


def score_strip(spread: ScoreSpread) -> Strip:
    """The chart of a study's scores."""
    shown = sorted(spread.nearest(MOST_ROWS), key=lambda part: part.mean, reverse=True)
    scores = [score for part in shown for score in part.scores]
    threshold = spread.threshold
    low = min(*scores, threshold)
    # A few huge scores of defects would leave no room for those near the threshold.
    high = max(min(max(scores), threshold + 4 * (threshold - low)), threshold)
    if high <= low:
        low, high = low - 1, high + 1

    def place(score: float) -> float:
        return min((score - low) / (high - low), 1.0)

    zone = spread.zone
    return Strip(
        rows=tuple(_row(part, [place(score) for score in part.scores]) for part in shown),
        ticks=tuple(Tick(place(value), value) for value in round_numbers(low, high)),
        threshold=place(threshold),
        zone=None if zone is None else (place(max(zone.low, low)), place(max(zone.high, low))),
        left_out=len(spread.parts) - len(shown),
        cut=max(scores) > high,
        description=(
            f"{len(shown)} parts by their mean score; the threshold is {short(threshold)}. "
            f"{len(spread.flipping)} parts have placements on both sides of it."
        ),
    )


def _row(part: PartScores, places: Sequence[float]) -> StripRow:
    kind = "defective" if part.defective else "good"
    return StripRow(
        name=_short(part.name),
        kind=kind,
        scores=tuple(places),
        told=(
            f"{part.name}, {kind}: {part.rejected} of {len(part.scores)} rejected, scores "
            f"{short(min(part.scores))} to {short(max(part.scores))}"
        ),
    )


def _short(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    half = (LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
