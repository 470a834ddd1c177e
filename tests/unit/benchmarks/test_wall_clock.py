"""A wall clock that can be set, for the faults of a station in real processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.station.wall_clock import wall_clock

TELLS = """
import sys, time
from datetime import UTC, datetime
for _ in sys.stdin:
    print(time.time(), datetime.now(UTC).timestamp(), time.monotonic(), flush=True)
"""
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="Debian's package gcc")


@needs_compiler
def test_the_clock_of_a_process_is_set_while_it_runs_and_its_monotonic_one_goes_on(
    tmp_path: Path,
) -> None:
    with wall_clock(tmp_path) as clock:
        process = subprocess.Popen(
            [sys.executable, "-c", TELLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

        def ahead_s() -> list[float]:
            """How far its clocks go before ours: two of the wall, and the monotonic one."""
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            wall_s, of_day_s, monotonic_s = map(float, process.stdout.readline().split())
            return [wall_s - time.time(), of_day_s - time.time(), monotonic_s - time.monotonic()]

        with process:
            assert ahead_s() == pytest.approx([0, 0, 0], abs=60)
            for seconds in (3600, -7200, 0):
                clock.put_forward(seconds)
                assert ahead_s() == pytest.approx([seconds, seconds, 0], abs=60)


@needs_compiler
def test_whoever_begins_after_the_block_goes_by_the_clock_of_the_machine(tmp_path: Path) -> None:
    with wall_clock(tmp_path) as clock:
        clock.put_forward(3600)
    said = subprocess.check_output([sys.executable, "-c", "import time; print(time.time())"])

    assert float(said) == pytest.approx(time.time(), abs=60)
