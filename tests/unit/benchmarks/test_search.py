from __future__ import annotations

import json
from dataclasses import asdict, replace

from benchmarks.search import Measured, SetRow, report

USUAL = {"side": 320, "layers": [4, 10], "bank_size": 6000}
ROW = SetRow(
    name="screws",
    search={"taken": {**USUAL, "side": 512}, "why": "", "tried": [USUAL, USUAL], "no_time": []},
    search_s=300.0,
    default=Measured(0.80, 0.4, 0.05),
    taken=Measured(0.85, 0.6, 0.05),
    gain=0.05,
    error=0.02,
)


def test_the_bar_is_missed_by_a_set_that_loses_more_than_it_varies() -> None:
    assert "standard errors: met" in report([ROW])
    assert "standard errors: met" in report([replace(ROW, gain=-0.05, error=0.03)])
    assert "standard errors: MISSED (screws)" in report([replace(ROW, gain=-0.05, error=0.01)])


def test_the_gain_is_that_of_the_sets_whose_default_is_low() -> None:
    high = replace(ROW, name="bottles", default=Measured(0.95, 0.9, 0.05), gain=-0.01)
    text = report([ROW, high])
    assert "mean gain of the 1 sets" in text
    assert "+0.0500; defects found +20.0 points" in text
    assert "no set's default has an AUROC under 0.90" in report([high])


def test_what_is_taken_is_told_by_what_differs_from_the_default() -> None:
    assert "| side 512 |" in report([ROW])
    kept = replace(ROW, search={**ROW.search, "taken": USUAL})
    assert "| the default |" in report([kept])


def test_a_row_is_read_again_as_it_was_kept() -> None:
    assert SetRow.read(json.loads(json.dumps(asdict(ROW)))) == ROW
