"""One verdict on all views of a part."""

from __future__ import annotations

import math

import pytest

from takt.core.domain import Verdict, VerdictName
from takt.multiview.result import PartView, SeenView, decide, scaled_score


def views(*verdicts: VerdictName | None) -> tuple[PartView, ...]:
    return tuple(
        PartView(
            str(place),
            None if one is None else SeenView(str(place), "r", "m", "1", one, 0.1, 0.5, place / 10),
        )
        for place, one in enumerate(verdicts)
    )


@pytest.mark.parametrize(
    ("verdicts", "verdict", "reason"),
    [
        (("good", "good"), "good", None),
        (("good", "defect"), "defect", None),
        (("undecided", "defect"), "defect", None),
        (("good", "undecided"), "undecided", "undecided"),
        (("good", None), "undecided", "missing_view"),
        (("defect", None), "undecided", "missing_view"),
        ((None, None), "undecided", "missing_view"),
    ],
)
def test_a_missing_view_is_no_decision_and_a_defect_goes_before_what_cannot_be_judged(
    verdicts, verdict, reason
) -> None:
    found = decide(views(*verdicts))
    assert (found.verdict, found.reason) == (verdict, reason)


def test_the_score_is_that_of_the_view_nearest_to_its_threshold() -> None:
    found = decide(views("good", "good", "good"))
    assert (found.score, found.view) == (0.2, "2")
    assert decide(views(None)).score is None


@pytest.mark.parametrize(
    ("score", "threshold", "pixel", "peak", "scaled"),
    [
        (0.25, 0.5, 0.5, 0.125, 0.5),
        (0.25, 0.5, 0.5, 0.75, 1.5),
        # No region is shown, and the map is nearer to its threshold than the score all the same.
        (0.25, 0.5, 0.5, 0.375, 0.75),
        (0.25, 0.5, math.inf, 0.75, 0.5),
        (-0.25, 0.5, math.inf, 0.75, -0.5),
        (0.25, 0.0, 0.5, 0.125, None),
        (0.25, 0.5, -1.0, 0.75, None),
    ],
)
def test_a_view_is_scaled_by_its_thresholds_where_they_are_above_nothing(
    score, threshold, pixel, peak, scaled
) -> None:
    # However many regions an answer has: a server may show none.
    verdict = Verdict(peak > pixel, score, threshold, None, (), pixel, peak=peak)
    assert scaled_score(verdict) == scaled
