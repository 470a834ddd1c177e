from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from export.report.charts import BINS, LEFT, RIGHT, WIDTH, Point, curve, histogram


def bars(svg: str, name: str) -> list[tuple[float, float]]:
    """Left edge and height of each bar of a kind."""
    rects = ElementTree.fromstring(svg).iter("rect")
    return [
        (float(rect.attrib["x"]), float(rect.attrib["height"]))
        for rect in rects
        if rect.attrib["class"] == name
    ]


def test_each_score_is_in_the_bar_at_its_place() -> None:
    svg = histogram([0, 0, 0, 1], [1, 1], 0.5, "Scores").svg
    per_bin = (WIDTH - LEFT - RIGHT) / BINS
    last = pytest.approx(WIDTH - RIGHT - per_bin, abs=0.1)
    assert bars(svg, "good") == [(LEFT, 84), (last, 28)]
    assert bars(svg, "defective") == [(last, 84)]
    (line,) = re.findall(r'class="threshold" x1="([\d.]+)"', svg)
    assert float(line) == pytest.approx(LEFT + (WIDTH - LEFT - RIGHT) / 2, abs=0.1)


def test_a_chart_says_in_words_what_it_shows() -> None:
    svg = histogram([0.25, 0.25], [0.5], 0.375, "Scores <of> parts").svg
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root.findtext("title") == "Scores <of> parts"
    told = root.findtext("desc")
    assert told is not None
    assert "2 good pictures score 0.25 to 0.25" in told
    assert "The threshold is 0.375." in told
    assert root.attrib["aria-label"].endswith(told)


def test_a_few_huge_scores_do_not_hide_the_others() -> None:
    few = histogram([number / 100 for number in range(100)], [1e6], 0.5, "Scores")
    assert few.cut
    assert len(bars(few.svg, "good")) > BINS / 3
    assert len(bars(few.svg, "defective")) == 1


@pytest.mark.parametrize(
    ("good", "defective", "threshold"),
    [([], [0.5], 0.25), ([0.5], [], 0.75), ([1.0], [1.0], 1.0), ([0.0, 1.0], [2.0], math.inf)],
)
def test_few_or_equal_scores_and_no_finite_threshold_are_drawn(
    good: list[float], defective: list[float], threshold: float
) -> None:
    svg = histogram(good, defective, threshold, "Scores").svg
    ElementTree.fromstring(svg)
    assert "nan" not in svg
    assert ("threshold" in svg) == math.isfinite(threshold)


def test_a_curve_runs_straight_or_in_steps_up_first() -> None:
    arguments = {"title": "ROC", "x_name": "rejected", "y_name": "found"}
    deployed = Point(0.5, 0.5, "Half and half.")
    straight = curve([0, 0.5, 1], [0, 0.5, 1], deployed, **arguments)  # type: ignore[arg-type]
    stepped = curve([0, 0.5, 1], [0, 0.5, 1], deployed, steps=True, **arguments)  # type: ignore[arg-type]
    points = [
        [
            tuple(float(number) for number in pair.split(","))
            for line in ElementTree.fromstring(svg).iter("polyline")
            for pair in line.attrib["points"].split()
        ]
        for svg in (straight, stepped)
    ]
    (x0, y0), (x1, y1), (x2, y2) = points[0]
    assert points[1] == [(x0, y0), (x0, y1), (x1, y1), (x1, y2), (x2, y2)]
    (ring,) = ElementTree.fromstring(straight).iter("circle")
    assert (float(ring.attrib["cx"]), float(ring.attrib["cy"])) == (x1, y1)
    assert "found over rejected. Half and half." in straight
