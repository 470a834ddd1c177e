"""How a picture is remembered that a fit has seen; nothing here loads torch."""

from __future__ import annotations

import hashlib
from pathlib import Path


def picture_digest(path: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a picture's file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
