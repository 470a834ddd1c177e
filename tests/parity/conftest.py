"""Where the checkpoints of the public code bases lie, with what that code computed from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _made_up_defects_left_out(made_up_defects_left_out: None) -> None:
    """Tests of other things export as fast as they can."""


@pytest.fixture(scope="session", autouse=True)
def _traced_once(traced_once: None) -> None:
    """Tests of one module export alike again and again."""


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder of fixtures; `TAKT_FIXTURES` names another one than `../shared/fixtures`."""
    beside = Path(__file__).parents[3] / "shared" / "fixtures"
    folder = Path(os.environ.get("TAKT_FIXTURES", beside))
    if not folder.is_dir():
        pytest.skip(f"no fixtures at {folder}: set TAKT_FIXTURES to the folder that holds them")
    return folder
