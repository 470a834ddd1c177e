"""Fuzzing that is guided by coverage finds no bytes that upset a parser."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.hostile.fuzz import TARGETS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", TARGETS)
def test_a_fuzzer_finds_nothing(target: str) -> None:
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.hostile.fuzz", target, "--runs", "300000"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stderr[-4000:]
