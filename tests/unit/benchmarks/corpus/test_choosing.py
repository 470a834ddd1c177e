from __future__ import annotations

import pytest

from benchmarks.corpus.choosing import LeftOut, aurocs_of, leave_one_out, report
from benchmarks.corpus.figures import SeedFigures, SetFigures
from benchmarks.corpus.results import Result
from benchmarks.corpus.sets import CorpusError

# `tuned` is the best over all, and owes that to `a` alone.
AUROCS = {
    "tuned": {"a": 0.99, "b": 0.70, "c": 0.80},
    "plain": {"a": 0.70, "b": 0.75, "c": 0.82},
}


def result(name: str, aurocs: dict[str, float]) -> Result:
    return Result(
        name,
        {},
        tuple(
            SetFigures(
                one, 30, 10, 10, "320x320", (SeedFigures(0, auroc, None, None, (), 30, 1, 1),), 1
            )
            for one, auroc in aurocs.items()
        ),
        "",
        {},
    )


def test_a_left_out_set_has_what_the_others_choose():
    assert leave_one_out(AUROCS) == [
        LeftOut("a", "plain", 0.70, 0.99),
        LeftOut("b", "tuned", 0.70, 0.70),
        LeftOut("c", "tuned", 0.80, 0.80),
    ]


def test_the_report_tells_mean_worst_and_gap_and_which_set_makes_the_choice():
    text = report(AUROCS)

    assert "| a | plain | 0.7000 | 0.9900 | -0.2900 |" in text
    assert "| **mean** |  | 0.7333 | 0.8300 | -0.0967 |" in text
    assert "| **worst but one** |  | 0.7000 | 0.8000 | -0.1000 |" in text
    assert "| **worst** |  | 0.7000 | 0.7000 | +0.0000 |" in text
    assert text.endswith("all sets choose tuned; without one of these another is chosen: a (plain)")


def test_only_sets_that_all_results_have_count():
    found = aurocs_of(
        [result("old", AUROCS["tuned"]), result("new", {"c": 0.9, "b": 0.7, "d": 0.1})]
    )

    assert found == {"old": {"b": 0.70, "c": 0.80}, "new": {"b": 0.7, "c": 0.9}}


@pytest.mark.parametrize(
    "results",
    [
        [result("old", AUROCS["tuned"])],
        [result("old", AUROCS["tuned"]), result("old", AUROCS["plain"])],
        [result("old", AUROCS["tuned"]), result("new", {"a": 0.9, "d": 0.8})],
    ],
    ids=["one", "two of a name", "one set in common"],
)
def test_results_that_choose_nothing_are_refused(results: list[Result]):
    with pytest.raises(CorpusError):
        aurocs_of(results)
