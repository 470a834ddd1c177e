"""What `make` does where something is missing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.first_hour.pages import ROOT
from tests.first_hour.terminal import clean_environment

WITHOUT_VENV = """#!/bin/sh
mkdir -p "$3/bin" && ln -s "$(command -v python3)" "$3/bin/python"
echo "ensurepip is not available" >&2
exit 1
"""


def test_an_environment_that_could_not_be_made_whole_is_made_anew_the_next_time(
    tmp_path: Path,
) -> None:
    python = tmp_path / "python3"
    python.write_text(WITHOUT_VENV)
    python.chmod(0o755)
    make = ["make", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}", "demo"]

    for _ in range(2):
        ran = subprocess.run(
            make, cwd=ROOT, env=clean_environment(dict(os.environ)),
            capture_output=True, text=True,
        )  # fmt: skip

        assert ran.returncode == 2
        assert "ensurepip is not available" in ran.stderr
