"""Which pictures are kept."""

from __future__ import annotations

import random

import pytest

from takt.core.domain import Verdict
from takt.core.errors import ConfigurationError
from takt.recording.keeping import KeepingRule
from takt.recording.settings import RecordSettings


def verdict(score: float, threshold: float = 1.0) -> Verdict:
    return Verdict(score > threshold, score, threshold, None, ())


def reason(text: str, score: float, chance: float = 0.5) -> str | None:
    return KeepingRule.read(text).reason(verdict(score), lambda: chance)


def test_rejects_go_before_what_is_near() -> None:
    assert reason("rejects,near=0.1", 1.05) == "reject"
    assert reason("near=0.1", 1.05) == "near"


def test_near_is_a_share_of_the_threshold_on_both_sides() -> None:
    assert reason("rejects,near=0.1", 0.901) == "near"
    assert reason("rejects,near=0.1", 0.899) is None


def test_near_is_measured_by_the_distance_from_good_parts_where_that_is_known() -> None:
    rule = KeepingRule.read("near=0.1")
    # A bank's scores: good parts lie at 0.75, close below the threshold.
    for score, threshold, typical, kept in (
        (0.784, 0.79, 0.75, False),
        (0.787, 0.79, 0.75, True),
        (0.787, 0.79, None, True),
        (0.72, 0.79, None, True),
        (0.72, 0.79, 0.8, True),
    ):
        verdict = Verdict(False, score, threshold, None, (), typical_score=typical)
        assert (rule.reason(verdict) == "near") is kept, (score, typical)


def test_a_sample_is_drawn_by_chance_from_all_others() -> None:
    assert reason("sample=0.01", 0.1, chance=0.0099) == "sample"
    assert reason("sample=0.01", 0.1, chance=0.01) is None
    assert reason("sample=1", 5.0, chance=0.999) == "sample"


def test_the_last_pictures_are_those_that_nothing_else_keeps() -> None:
    for text, score, chance, why in (
        ("rejects,near=0.1,sample=0.01,recent", 1.5, 0.5, "reject"),
        ("rejects,near=0.1,sample=0.01,recent", 0.95, 0.5, "near"),
        ("rejects,near=0.1,sample=0.01,recent", 0.1, 0.001, "sample"),
        ("rejects,near=0.1,sample=0.01,recent", 0.1, 0.5, "recent"),
        ("near=0.1,recent", 1.5, 0.5, "recent"),
        ("recent", 1.5, 0.0, "recent"),
    ):
        assert reason(text, score, chance) == why


def test_the_last_pictures_change_no_draw_of_the_sample() -> None:
    drawn = []
    for text in ("sample=0.2", "sample=0.2,recent"):
        rng = random.Random(3)
        rule = KeepingRule.read(text)
        drawn.append([rule.reason(verdict(0.1), rng.random) == "sample" for _ in range(200)])
    assert drawn[0] == drawn[1]


def test_they_are_kept_unless_somebody_says_otherwise() -> None:
    assert KeepingRule.read(RecordSettings().keep).recent
    assert not KeepingRule.read("rejects,near=0.1,sample=0.01").recent


def test_none_keeps_nothing() -> None:
    assert reason("none", 5.0, chance=0.0) is None


@pytest.mark.parametrize(
    "text",
    ["", "reject", "near", "near=x", "near=-1", "sample=2", "rejects,rejects", "rejects=1",
     "near=inf", "near=nan", "recent=1", "recent,recent"],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="near"):
        KeepingRule.read(text)
