"""Pictures that are there twice: a copy says nothing new, and a threshold must not count it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from export.errors import PicturesError
from models.checkpoints import picture_digest


def distinct(paths: Iterable[Path], tell: Callable[[str], None]) -> dict[Path, str]:
    """The first file of each content with its digest, in order; tells how many copies there were.

    Raises:
        PicturesError: a file cannot be read.
    """
    found: dict[str, Path] = {}
    count = 0
    for path in paths:
        count += 1
        try:
            found.setdefault(picture_digest(path), path)
        except OSError as error:
            raise PicturesError(f"{path}: {error.strerror}") from error
    if count > len(found):
        tell(f"left out as copies of other pictures: {count - len(found)}")
    return {path: digest for digest, path in found.items()}
