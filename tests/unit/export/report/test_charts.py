from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from takt.core.bundles.bearing import Bearing
from takt_export.report.charts import (
    BINS,
    Curve,
    ScoreHistogram,
    borne_charts,
    in_steps,
    score_histogram,
)
from takt_export.report.page import templates
from tests.tested import BEARS


def drawn(chart: ScoreHistogram, title: str = "Scores") -> str:
    svg: str = templates().get_template("charts.html").module.histogram(chart, title)
    return svg.strip()


def drawn_curve(chart: Curve) -> str:
    macros = templates().get_template("charts.html").module
    svg: str = macros.curve(chart, "ROC", "rejected", "found", "Half and half.")
    return svg.strip()


def test_each_score_is_in_the_bar_at_its_place() -> None:
    chart = score_histogram([0, 0, 0, 1], [1, 1], 0.5)
    good, defective = chart.rows
    last = (1 - 1 / BINS, 1)
    assert good.bars == ((0, 1 / BINS, 1), (*last, pytest.approx(1 / 3)))
    assert (good.pictures, good.highest) == (4, 3)
    assert defective.bars == ((*last, 1),)
    assert chart.threshold == 0.5


def test_bars_and_threshold_are_drawn_at_their_places() -> None:
    root = ElementTree.fromstring(drawn(score_histogram([0, 0, 0, 1], [1, 1], 0.5)))
    left, width = 44, 404
    bars = [
        (rect.attrib["class"], float(rect.attrib["x"]), float(rect.attrib["height"]))
        for rect in root.iter("rect")
    ]
    last = pytest.approx(left + width * (1 - 1 / BINS), abs=0.1)
    assert bars == [("good", left, 84), ("good", last, 28), ("defective", last, 84)]
    (line,) = [line for line in root.iter("line") if line.attrib["class"] == "threshold"]
    assert float(line.attrib["x1"]) == pytest.approx(left + width / 2, abs=0.1)


def test_a_chart_says_in_words_what_it_shows() -> None:
    svg = drawn(score_histogram([0.25, 0.25], [0.5], 0.375), "Scores <of> parts")
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root.findtext("title") == "Scores <of> parts"
    told = root.findtext("desc")
    assert told is not None
    assert "2 good pictures score 0.25 to 0.25" in told
    assert "The threshold is 0.375." in told
    assert root.attrib["aria-label"].endswith(told)


def test_a_few_huge_scores_do_not_hide_the_others() -> None:
    few = score_histogram([number / 100 for number in range(100)], [1e6], 0.5)
    assert few.cut
    good, defective = few.rows
    assert len(good.bars) > BINS / 3
    assert len(defective.bars) == 1


@pytest.mark.parametrize(
    ("good", "defective", "threshold"),
    [([], [0.5], 0.25), ([0.5], [], 0.75), ([1.0], [1.0], 1.0), ([0.0, 1.0], [2.0], math.inf)],
)
def test_few_or_equal_scores_and_no_finite_threshold_are_drawn(
    good: list[float], defective: list[float], threshold: float
) -> None:
    svg = drawn(score_histogram(good, defective, threshold))
    ElementTree.fromstring(svg)
    assert not re.search(r"\b(nan|inf)\b", svg)
    assert ("threshold" in svg) == math.isfinite(threshold)


def test_a_curve_runs_straight_or_in_steps_up_first() -> None:
    straight = ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0))
    svgs = [drawn_curve(Curve(points, (0.5, 0.5))) for points in (straight, in_steps(straight))]
    points = [
        [
            tuple(float(number) for number in pair.split(","))
            for line in ElementTree.fromstring(svg).iter("polyline")
            for pair in line.attrib["points"].split()
        ]
        for svg in svgs
    ]
    (x0, y0), (x1, y1), (x2, y2) = points[0]
    assert points[1] == [(x0, y0), (x0, y1), (x1, y1), (x1, y2), (x2, y2)]
    (ring,) = ElementTree.fromstring(svgs[0]).iter("circle")
    assert (float(ring.attrib["cx"]), float(ring.attrib["cy"])) == (x1, y1)
    assert "found over rejected. Half and half." in svgs[0]


def test_what_a_model_bears_is_drawn_by_magnitude_with_a_line_at_its_limit() -> None:
    (chart,) = borne_charts(Bearing.model_validate(BEARS))
    assert chart.name == "shift, %"
    assert [round(x, 3) for x, _ in chart.points] == [0.333, 0.667, 1]
    assert [y > chart.limit for _, y in chart.points] == [False, False, True]
    svg: str = templates().get_template("charts.html").module.borne(chart)
    root = ElementTree.fromstring(svg.strip())
    assert len(root.findall("circle")) == 3
    assert [one.get("class") for one in root.findall("line")].count("threshold") == 1
    assert "5.0% at 1, 6.0% at 2, 12.0% at 3; the line is at 8.0%." in svg
