"""Benchmarks run: each in a form of seconds, whose figures have the shape of the long one's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
