"""Pictures whose scores are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.export.commands.calibrate.calibrating import (
    write,
)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """20 … 118 in steps of 2: fifty scores."""
    return write(tmp_path / "good", range(20, 120, 2))


@pytest.fixture
def defects(tmp_path: Path) -> Path:
    """Ten scores of which five lie among the good ones."""
    return write(tmp_path / "defects", [71, 81, 91, 101, 111, 131, 141, 151, 161, 171])
