"""Real inspection pictures, which are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_pictures(kind: str = "") -> Path:
    """The folder of all of them, or of a kind; the test is skipped where it is missing.

    `TAKT_DATA` names another folder than `../shared/data`.
    """
    folder = Path(os.environ.get("TAKT_DATA", Path(__file__).parents[2] / "shared/data")) / kind
    if not folder.is_dir():
        pytest.skip(f"no pictures at {folder}: set TAKT_DATA to the folder that holds them")
    return folder
