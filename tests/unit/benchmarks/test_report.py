"""Results -> files and back, and the tables."""

from __future__ import annotations

import pytest

from benchmarks.peers.figures import Cell, Key, Pair, Run, Scores, to_cell
from benchmarks.peers.report import report
from benchmarks.peers.results import Facts, Result, load_all, save

CONTROL_RATE = 100


def run(requests: int, foreign: float = 0.0) -> Run:
    return Run(requests, 1.0, 4.0, 6.0, 8.0, 9.0, 0, 0, 0, cpu_s=0.5, foreign=foreign)


def cell(ratio: float, clients: int = 8, width: int = 256, foreign: float = 0.0) -> Cell:
    pair = Pair(run(CONTROL_RATE), run(round(CONTROL_RATE * ratio), foreign))
    return to_cell(Key("tiny", width, clients), [pair], keep=1)


def result(system: str, *cells: Cell, remark: str = "") -> Result:
    facts = Facts("tiny", 0.5, 100.0, 120.0, 0.01, (Scores(256, 2.0, 2.02),))
    return Result(
        name=system,
        system=system,
        remark=remark,
        measured_at="2026-01-02 03:04:05",
        arguments=(system,),
        versions={"control": {"fastapi": "1.0"}, system: {system: "2.0"}},
        facts=(facts,),
        cells=cells,
    )


def lines(*results: Result) -> list[str]:
    return report(results).splitlines()


def test_a_result_reads_back_from_its_file_as_it_was(tmp_path):
    first, second = result("mosec", cell(0.8)), result("ours", cell(1.3))
    save(second, tmp_path)
    save(first, tmp_path)

    assert load_all(tmp_path) == [first, second]


def test_a_cell_that_meets_every_bar_is_marked():
    found = lines(result("ours", cell(1.2)), result("mosec", cell(0.8)))

    assert "| **ours** | **1.20** ✓ (1.20 to 1.20), 4.0 / 8.0, 4.17 | 0 |" in found
    assert "| mosec | 0.80 (0.80 to 0.80), 4.0 / 8.0, 6.25 | 0 |" in found
    assert "- **ours** meets every bar in 1 of 1 cells" in found


@pytest.mark.parametrize(
    ("rival", "reason"),
    [(0.8, "ratio 1.10 is below 1.20"), (1.12, "ratio 1.10 is not above mosec's 1.12")],
)
def test_a_missed_bar_is_marked_and_said(rival, reason):
    found = lines(result("ours", cell(1.1)), result("mosec", cell(rival)))

    assert any(line.startswith("| **ours** | **1.10** ✗") for line in found)
    assert f"  - tiny 256, c=8: {reason}" in found


def test_a_rival_counts_only_in_the_cell_it_was_measured_in():
    found = lines(result("ours", cell(1.2)), result("mosec", cell(2.0, width=1280)))

    assert "- **ours** meets every bar in 1 of 1 cells" in found


def test_our_other_row_is_judged_and_is_no_rival():
    found = lines(result("ours", cell(1.3)), result("ours-whole-decode", cell(1.2)))

    assert "- **ours-whole-decode** meets every bar in 1 of 1 cells" in found


def test_a_cell_beside_other_work_is_marked_as_noisy():
    found = lines(result("mosec", cell(0.8, foreign=0.3)))

    assert any(line.startswith("| mosec | 0.80 ~") for line in found)


def test_a_cell_that_was_not_measured_is_left_open():
    found = lines(result("ours", cell(1.2, 8), cell(1.3, 32)), result("mosec", cell(0.8, 32)))

    assert "| mosec | – | 0.80 (0.80 to 0.80), 4.0 / 8.0, 6.25 | 0 |" in found


def test_what_a_reader_must_know_stands_below_the_tables():
    assert "**ours** does less." in lines(result("ours", cell(1.2), remark="does less"))


def test_a_systems_scores_stand_beside_its_memory():
    assert "| mosec | tiny | 0.5 | 100 | 120 | 1.0 | 1.00 % at 256 |" in lines(
        result("mosec", cell(0.8))
    )
