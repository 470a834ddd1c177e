"""The report's charts as inline SVG: a histogram in two rows, and a curve in the unit square.

Colours and fonts are those of the page's style sheet, so that the charts follow it in the dark and
in print. Every chart has a title and a description for those who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH = 460
LEFT, RIGHT = 44, 12
BINS = 48


@dataclass(frozen=True)
class Point:
    """A place on a curve.

    Attributes:
        x: 0..1.
        y: 0..1.
        label: what is there, in words.
    """

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """Scores of both kinds of pictures on one axis.

    Attributes:
        svg: the chart.
        cut: whether the last bar holds everything above it as well.
    """

    svg: str
    cut: bool


class _Scale:
    """Values low..high to the chart's width, ticks at round numbers."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high if high > low else low + 1

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[float]:
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
        numbers = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [number * step for number in numbers]


def histogram(
    good: Sequence[float], defective: Sequence[float], threshold: float, title: str
) -> Histogram:
    """Good pictures' scores above, defective ones' below, and the threshold through both.

    Args:
        good: scores; may be empty.
        defective: likewise; both together at least one.
        threshold: the deployed one.
        title: of the chart.
    """
    scores = [*good, *defective]
    # A few huge scores would leave one bar for all the others.
    low, bulk = min(scores), float(np.quantile(scores, 0.98))
    high = min(max(scores), 2 * bulk - low if bulk > low else max(scores))
    if math.isfinite(threshold):
        low, high = min(low, threshold), max(high, threshold)
    scale = _Scale(low, high)
    rows = [("good", good), ("defective", defective)]
    parts = [
        part
        for row, (name, values) in enumerate(rows)
        for part in _bars(name, values, scale, top=20 + 116 * row)
    ]
    bottom = 248
    for tick in scale.ticks():
        parts += [
            f'<line class="tick" x1="{scale.at(tick):.1f}" x2="{scale.at(tick):.1f}" '
            f'y1="{bottom}" y2="{bottom + 4}"/>',
            _text(scale.at(tick), bottom + 17, f"{tick:g}", "middle"),
        ]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + 34, "anomaly score", "middle"))
    where = ""
    if math.isfinite(threshold):
        x = scale.at(threshold)
        where = f" The threshold is {threshold:.4g}."
        parts += [
            f'<line class="threshold" x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{bottom}"/>',
            _text(x, 12, "threshold", "end" if x > WIDTH / 2 else "start"),
        ]
    told = [
        f"{len(values)} {name} pictures score {min(values):.4g} to {max(values):.4g}, "
        f"half of them above {float(np.median(values)):.4g}."
        for name, values in rows
        if values
    ]
    return Histogram(
        _svg(WIDTH, bottom + 42, title, " ".join(told) + where, parts), cut=max(scores) > high
    )


def _bars(name: str, values: Sequence[float], scale: _Scale, top: int) -> list[str]:
    height, base = 84, top + 100  # the row's name stands above its bars
    clipped = np.clip(values, scale.low, scale.high)
    counts, edges = np.histogram(clipped, BINS, (scale.low, scale.high))
    most = max(int(counts.max()), 1)
    parts = [
        f'<rect class="{name}" x="{scale.at(left):.1f}" y="{base - height * n / most:.1f}" '
        f'width="{scale.at(right) - scale.at(left) - 0.5:.1f}" height="{height * n / most:.1f}"/>'
        for n, left, right in zip(counts.tolist(), edges[:-1], edges[1:], strict=True)
        if n
    ]
    return [
        *parts,
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>',
        _text(LEFT - 6, base - height + 5, str(most), "end"),
        _text(LEFT - 6, base, "0", "end"),
        _text(LEFT, top + 9, f"{name} ({len(values)})", "start"),
    ]


def curve(
    x: Sequence[float],
    y: Sequence[float],
    deployed: Point,
    *,
    title: str,
    x_name: str,
    y_name: str,
    steps: bool = False,
) -> str:
    """A curve in the unit square, and where on it the deployed threshold lies.

    Args:
        x: 0..1, one for each point.
        y: likewise.
        deployed: marked with a ring.
        title: of the chart.
        x_name: of the axis.
        y_name: likewise.
        steps: go up or down, then sideways, as average precision counts the area.
    """
    side, top = 260, 14
    left, bottom = 54, top + side

    def place(a: float, b: float) -> tuple[float, float]:
        return left + a * side, bottom - b * side

    path = [place(x[0], y[0])]
    for a, b in zip(x[1:], y[1:], strict=True):
        at = place(a, b)
        path += [(path[-1][0], at[1]), at] if steps else [at]
    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{side}" height="{side}"/>']
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        at_x, at_y = place(tick, tick)
        parts += [
            f'<line class="grid" x1="{at_x:.1f}" x2="{at_x:.1f}" y1="{top}" y2="{bottom}"/>',
            f'<line class="grid" x1="{left}" x2="{left + side}" y1="{at_y:.1f}" y2="{at_y:.1f}"/>',
            _text(at_x, bottom + 16, f"{tick:g}", "middle"),
            _text(left - 6, at_y + 4, f"{tick:g}", "end"),
        ]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in path)
    ring_x, ring_y = place(deployed.x, deployed.y)
    middle = top + side / 2
    parts += [
        f'<polyline class="curve" points="{points}"/>',
        f'<circle class="deployed" cx="{ring_x:.1f}" cy="{ring_y:.1f}" r="6"/>',
        _text(left + side / 2, bottom + 34, x_name, "middle"),
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        f"{escape(y_name)}</text>",
    ]
    described = f"{y_name} over {x_name}. {deployed.label}"
    return _svg(left + side + 12, bottom + 42, title, described, parts)


def _svg(width: float, height: float, title: str, description: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(f"{title}. {description}")}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
