from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.torch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="torch has another OpenMP there")
COMMAND = """
from takt_export.commands.options import plain_errors

@plain_errors
def command():
    import torch

command()
"""


@pytest.mark.parametrize(
    "given, sleeps_soon", [pytest.param(None, True, marks=LINUX), pytest.param("ACTIVE", False)]
)
def test_torchs_threads_sleep_soon_while_they_wait_unless_the_environment_says_how(
    given: str | None, sleeps_soon: bool
) -> None:
    environment = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    environment["OMP_DISPLAY_ENV"] = "verbose"
    if given is not None:
        environment["OMP_WAIT_POLICY"] = given

    ran = subprocess.run(
        [sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, check=True
    )

    assert ("GOMP_SPINCOUNT = '10000'" in ran.stderr) is sleeps_soon
