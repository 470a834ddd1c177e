from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

WritePictures = Callable[..., list[Path]]


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "good", 4)
