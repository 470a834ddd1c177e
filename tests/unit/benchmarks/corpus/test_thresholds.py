from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpus.__main__ import main
from benchmarks.corpus.measuring import Scores
from benchmarks.corpus.results import Result, save
from benchmarks.corpus.thresholds import RULES, by_levels, chosen, rates
from takt_export.calibration.cross_conformal import joint_thresholds


def a_set(seed: int, *, good: int = 150) -> Scores:
    """Defective pictures have scores and peaks that are higher by four deviations."""
    draw = np.random.default_rng(seed)
    defective = np.arange(60) % 2 == 1
    return Scores(
        names=np.array([f"{number}.png" for number in range(60)]),
        defective=defective,
        scores=(draw.standard_normal((2, 60)) + 4 * defective).astype(np.float32),
        peaks=(draw.standard_normal((2, 60)) + 4 * defective).astype(np.float32),
        good_scores=draw.standard_normal((2, good)).astype(np.float32),
        good_peaks=draw.standard_normal((2, good)).astype(np.float32),
    )


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("count", [120, 500])
def test_the_shipped_rule_is_that_of_the_levels(count: int, alpha: float) -> None:
    known = a_set(0, good=count)
    pair = by_levels(known.good_scores[0], known.good_peaks[0], alpha)
    assert pair == joint_thresholds(known.good_scores[0], known.good_peaks[0], alpha)


def test_each_rule_finds_most_of_what_is_far_and_rejects_little_else() -> None:
    for name, rule in RULES.items():
        found, rejected = rates(a_set(1), rule, 0.05)
        assert found > 0.8, name
        assert rejected < 0.25, name


def test_values_beyond_the_quantile_move_no_robust_threshold() -> None:
    known = a_set(2)
    scores, peaks = known.good_scores[0], known.good_peaks[0]
    spoilt = np.where(scores >= np.quantile(scores, 0.97), 100, scores).astype(np.float32)
    robust = RULES["either, tail always, without the top tenth"]
    # The scale of a witness still has all of its values.
    plain = RULES["either, tail below 4, with outliers"]
    assert robust(spoilt, peaks, 0.01).image < plain(spoilt, peaks, 0.01).image


def test_the_report_has_every_rule_for_each_rate_and_what_each_absence_would_choose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {"one": a_set(3), "two": a_set(4, good=40)}
    main(["thresholds", str(save(Result.of_now("made_up", {}, []), kept, tmp_path))])
    text = capsys.readouterr().out
    for rule in RULES:
        assert text.count(f"\n| {rule} |") == 2
    # Forty scores allow no 1 %.
    one_percent = text[text.index("α = 1%") : text.index("Few good pictures")]
    assert "| two |" not in one_percent
    assert text.count("without one of these another") == 3
    assert "| 40 | either, by rank alone (shipped) |" in text
    assert "Good pictures called odd" in text
    assert "both together (shipped)" in text


def test_a_rule_is_chosen_by_the_sets_that_are_not_left_out() -> None:
    merits = {"old": {"a": 0.9, "b": 0.5}, "new": {"a": 0.6, "b": 0.7}}
    assert (chosen(merits), chosen(merits, "a"), chosen(merits, "b")) == ("old", "new", "old")
