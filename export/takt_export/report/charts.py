"""What the report's charts show, as plain numbers; the template `charts.html` draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from takt.core.bundles.bearing import Bearing, KindBorne, MovementKind
from takt.digits import short
from takt_export.evaluation.metrics import Confusion

BINS = 48

UNITS: Mapping[MovementKind, str] = {"shift": "%", "turn": "°", "light": "± %", "noise": "levels"}


class Bar(NamedTuple):
    """A bar of a histogram, in shares 0..1 of the chart's width and of the row's height."""

    start: float
    end: float
    height: float


class Tick(NamedTuple):
    """A round number on the axis, and its place as a share 0..1 of the width."""

    at: float
    value: float


@dataclass(frozen=True)
class HistogramRow:
    """The scores of one kind of pictures.

    Attributes:
        name: of the kind.
        pictures: their number.
        highest: pictures in the highest bar, at least 1.
        bars: those that hold a picture.
    """

    name: str
    pictures: int
    highest: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class ScoreHistogram:
    """Scores of both kinds of pictures on one axis.

    Attributes:
        rows: good pictures, then defective ones.
        ticks: of the axis.
        threshold: place of the threshold as a share 0..1 of the width; None if it is not finite.
        description: the chart in words.
        cut: whether the last bar also holds everything above it.
    """

    rows: tuple[HistogramRow, ...]
    ticks: tuple[Tick, ...]
    threshold: float | None
    description: str
    cut: bool


@dataclass(frozen=True)
class Curve:
    """A curve in the unit square.

    Attributes:
        points: (x, y), each 0..1, joined by straight lines.
        deployed: the point of the deployed threshold.
    """

    points: tuple[tuple[float, float], ...]
    deployed: tuple[float, float]


@dataclass(frozen=True)
class BorneChart:
    """Good pictures that are rejected under a movement, by its magnitude, in the unit square.

    Attributes:
        name: of the movement, with its unit.
        points: (x, y), each 0..1, from the smallest magnitude on.
        ticks: the magnitudes that were tried.
        shares: round shares on the upright axis.
        limit: place of the largest share that is borne.
        description: the chart in words.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    ticks: tuple[Tick, ...]
    shares: tuple[Tick, ...]
    limit: float
    description: str


def borne_charts(bears: Bearing) -> tuple[BorneChart, ...]:
    """A chart of each kind of movement, all with the same upright axis.

    >>> from takt.core.bundles.bearing import MovedShare
    >>> step = MovedShare(magnitude=2, rejected=0.05)
    >>> kind = KindBorne(kind="shift", bound=2, steps=(step,))
    >>> (chart,) = borne_charts(Bearing(pictures=60, limit=0.1, kinds=(kind,)))
    >>> chart.points, chart.limit, chart.name
    (((1.0, 0.25),), 0.5, 'shift, %')
    """
    rejected = [step.rejected for one in bears.kinds for step in one.steps]
    high = max(2 * bears.limit, *rejected) if rejected else 1.0
    shares = tuple(Tick(share / high, share) for share in round_numbers(0, high))
    return tuple(_borne_chart(one, bears.limit, high, shares) for one in bears.kinds)


def _borne_chart(one: KindBorne, limit: float, high: float, shares: tuple[Tick, ...]) -> BorneChart:
    most = one.steps[-1].magnitude
    told = ", ".join(f"{step.rejected:.1%} at {step.magnitude:g}" for step in one.steps)
    return BorneChart(
        name=f"{one.kind}, {UNITS[one.kind]}",
        points=tuple((step.magnitude / most, step.rejected / high) for step in one.steps),
        ticks=tuple(Tick(step.magnitude / most, step.magnitude) for step in one.steps),
        shares=shares,
        limit=limit / high,
        description=f"{told}; the line is at {limit:.1%}.",
    )


def score_histogram(
    good: Sequence[float], defective: Sequence[float], threshold: float
) -> ScoreHistogram:
    """Histogram of scores; both kinds together have at least one.

    >>> chart = score_histogram([0, 0, 1], [2], threshold=1)
    >>> [(row.name, row.highest, len(row.bars)) for row in chart.rows]
    [('good', 2, 2), ('defective', 1, 1)]
    >>> chart.threshold
    0.5
    """
    scores = [*good, *defective]
    # A few huge scores would leave one bar for all the others.
    low, bulk = min(scores), float(np.quantile(scores, 0.98))
    high = min(max(scores), 2 * bulk - low if bulk > low else max(scores))
    finite = math.isfinite(threshold)
    if finite:
        low, high = min(low, threshold), max(high, threshold)
    if high <= low:
        high = low + 1
    rows = {"good": good, "defective": defective}
    described = [
        f"{len(values)} {name} pictures score {short(min(values))} to {short(max(values))}, "
        f"half of them above {short(float(np.median(values)))}."
        for name, values in rows.items()
        if values
    ]
    described += [f"The threshold is {short(threshold)}."] if finite else []
    return ScoreHistogram(
        rows=tuple(_row(name, values, low, high) for name, values in rows.items()),
        ticks=tuple(Tick((tick - low) / (high - low), tick) for tick in round_numbers(low, high)),
        threshold=(threshold - low) / (high - low) if finite else None,
        description=" ".join(described),
        cut=max(scores) > high,
    )


def _row(name: str, values: Sequence[float], low: float, high: float) -> HistogramRow:
    counts, _ = np.histogram(np.clip(values, low, high), BINS, (low, high))
    highest = max(int(counts.max()), 1)
    bars = tuple(
        Bar(place / BINS, (place + 1) / BINS, count / highest)
        for place, count in enumerate(counts.tolist())
        if count
    )
    return HistogramRow(name, len(values), highest, bars)


def round_numbers(low: float, high: float) -> list[float]:
    """About five round numbers between two others."""
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def ranking_curves(
    good: Sequence[float], defective: Sequence[float], confusion: Confusion
) -> tuple[Curve, Curve]:
    """ROC, and precision over recall, of the scores of both kinds, at least one each.

    Args:
        good: scores of good pictures.
        defective: scores of defective pictures.
        confusion: at the deployed thresholds.
    """
    labels = [0] * len(good) + [1] * len(defective)
    scores = [*good, *defective]
    false_rates, true_rates, _ = roc_curve(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores, drop_intermediate=True)
    found = confusion.recall or 0.0
    roc = Curve(
        tuple(zip(false_rates.tolist(), true_rates.tolist(), strict=True)),
        (confusion.false_reject_rate or 0.0, found),
    )
    # From the highest threshold down, so that recall grows.
    points = list(zip(recall[::-1].tolist(), precision[::-1].tolist(), strict=True))
    at_threshold = 1.0 if confusion.precision is None else confusion.precision
    return roc, Curve(in_steps(points), (found, at_threshold))


def in_steps(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Points joined up or down first, then sideways, as average precision counts the area."""
    stepped = list(points[:1])
    for x, y in points[1:]:
        stepped += [(stepped[-1][0], y), (x, y)]
    return tuple(stepped)
