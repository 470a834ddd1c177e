"""Benchmarks run: each in a form of seconds, whose figures have the shape of the long one's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.calls import KEPT, PYTHON

ROOT = Path(__file__).parents[2]
SLACK = 0.03
"""By how much a request's calls may differ from those that are kept."""


def printed(*command: str) -> str:
    """What a benchmark prints; it has to end well."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(
    shutil.which("wrk") is None and not os.environ.get("TAKT_REQUIRE_WRK"),
    reason="wrk is not there: Debian's package wrk",
)
def test_the_comparison_with_other_serving_systems_has_figures_of_ours() -> None:
    text = printed("benchmarks/peers/bench.py", "--smoke", "--prepare")

    rate = re.search(r"^ours +null +256 c1 +\| +(\d+\.\d)/s p50 .* errors 0 \|", text, re.MULTILINE)
    assert rate and float(rate[1]) > 0
    assert re.search(r"^ours over ours-keys, 1 cells: .* errors 0$", text, re.MULTILINE)


@pytest.mark.skipif(
    json.loads(KEPT.read_text("utf-8"))["python"] != PYTHON,
    reason="calls are kept for another Python, whose frames are others",
)
def test_no_request_costs_more_calls_than_it_did(tmp_path: Path) -> None:
    """Where this is meant, `python -m benchmarks.calls --write` keeps the new counts."""
    printed("-m", "benchmarks.calls", "--requests", "40", "--json", str(tmp_path / "found.json"))

    found, kept = (
        {
            kind: sum(stages.values())
            for kind, stages in json.loads(path.read_text())["calls"].items()
        }
        for path in (tmp_path / "found.json", KEPT)
    )
    assert found == {kind: pytest.approx(number, rel=SLACK) for kind, number in kept.items()}
