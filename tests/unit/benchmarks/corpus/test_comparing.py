from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.corpus.comparing import Difference, Verdict, paired, report
from benchmarks.corpus.measuring import Scores
from benchmarks.corpus.sets import CorpusError

GOOD, DEFECTIVE = 40, 60


def scores(*by_seed: np.ndarray, defective: np.ndarray, names: list[str] | None = None) -> Scores:
    values = np.stack(by_seed).astype(np.float32)
    names = names or [f"{number}.png" for number in range(len(defective))]
    none = np.zeros((len(by_seed), 0), np.float32)
    return Scores(np.array(names), defective, values, values, none, none)


def drawn(seed: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    defective = np.arange(GOOD + DEFECTIVE) >= GOOD
    noise = np.random.default_rng(seed).normal(size=len(defective))
    return noise + shift * defective, defective


@pytest.mark.parametrize(
    ("auroc", "error", "forbids"),
    [
        (-0.03, 0.01, True),
        (-0.03, 0.02, False),  # within two standard errors
        (-0.015, 0.001, False),  # more than two of these, but little
        (0.03, 0.001, False),
        (-0.5, math.inf, False),
    ],
)
def test_a_set_forbids_only_a_loss_that_is_large_and_beyond_two_standard_errors(
    auroc: float, error: float, forbids: bool
):
    assert Difference("a", auroc, error).forbids is forbids


def test_a_setting_goes_in_if_the_mean_rises_and_no_set_forbids_it():
    verdict = Verdict.of([Difference("a", 0.03, 0.01), Difference("b", -0.01, 0.001)])

    assert verdict.goes_in
    assert verdict.text.startswith("goes in: the mean image AUROC changes by +0.0100")


def test_a_set_that_loses_much_keeps_a_setting_out_and_is_named():
    verdict = Verdict.of([Difference("a", 0.2, 0.01), Difference("b", -0.05, 0.01)])

    assert not verdict.goes_in
    assert verdict.gain > 0
    assert "forbidden by b" in verdict.text


def test_a_mean_that_does_not_rise_keeps_a_setting_out():
    verdict = Verdict.of([Difference("a", 0.0, 0.01)])

    assert not verdict.goes_in
    assert "the mean does not rise" in verdict.text
    assert "forbidden" not in verdict.text


def test_the_paired_difference_is_that_of_the_aurocs_over_all_seeds():
    (old, defective), (other, _) = drawn(0, 1.0), drawn(1, 1.0)
    new, newer = drawn(2, 1.5)[0].round(), drawn(3, 1.5)[0]

    found, _ = paired(
        scores(old, other, defective=defective), scores(new, newer, defective=defective), "a"
    )

    means = [
        np.mean([roc_auc_score(defective, values) for values in seeds])
        for seeds in ((old, other), (new, newer))
    ]
    assert found == pytest.approx(means[1] - means[0], abs=1e-6)


def test_the_standard_error_is_about_that_of_a_bootstrap():
    old, defective = drawn(0, 1.0)
    new = 0.7 * old + 0.7 * drawn(1, 1.4)[0]

    _, error = paired(scores(old, defective=defective), scores(new, defective=defective), "a")

    def above(values: np.ndarray) -> float:
        return np.mean(values[GOOD:, np.newaxis] > values[:GOOD])

    draw = np.random.default_rng(0)
    differences = []
    for _ in range(1000):
        picked = np.concatenate(
            [draw.choice(np.flatnonzero(kind), kind.sum()) for kind in (~defective, defective)]
        )
        before, after = (above(one[picked]) for one in (old, new))
        differences.append(after - before)
    assert error == pytest.approx(np.std(differences), rel=0.15)


def test_pictures_are_paired_by_name():
    old, defective = drawn(0, 1.0)
    order = np.random.default_rng(1).permutation(len(old))
    again = scores(old[order], defective=defective[order], names=[f"{one}.png" for one in order])

    assert paired(scores(old, defective=defective), again, "a") == (0.0, 0.0)


def test_scores_of_other_pictures_are_refused():
    old, defective = drawn(0, 1.0)
    others = scores(old, defective=defective, names=[f"x{one}.png" for one in range(len(old))])

    with pytest.raises(CorpusError, match="other test pictures"):
        paired(scores(old, defective=defective), others, "a")


def test_the_report_marks_the_set_that_forbids_and_names_what_was_left_out():
    text = report([Difference("a", 0.1, 0.01, 0.125, None), Difference("b", -0.05, 0.01)], ["c"])

    assert "| a | +0.1000 | 0.0100 | +12.5 | – |  |" in text
    assert "| b | -0.0500 | 0.0100 | – | – | forbids |" in text
    assert text.endswith("left out, as only one of the two has them: c")
