"""The model of the made-up part, as the wheel carries it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

SHIPPED: Final = Path(__file__).with_name("repository")
"""A repository of one model; `make demo-model` makes it anew."""
MODEL: Final = "plate"


def unpack(repository: Path) -> None:
    """Copy the model into a repository, where a server may set thresholds beside it.

    One that is there stays as it is.
    """
    if not (repository / MODEL).exists():
        shutil.copytree(SHIPPED / MODEL, repository / MODEL)
