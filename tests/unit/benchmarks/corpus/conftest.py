from __future__ import annotations

from pathlib import Path

import pytest

from tests.made_up_sets import write_set


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """A folder with two sets, and one that is none."""
    folder = tmp_path / "sets"
    write_set(folder / "one", seed=1)
    write_set(folder / "two", seed=2)
    (folder / "no_set" / "pictures").mkdir(parents=True)
    return folder
