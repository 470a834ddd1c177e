"""The pictures that are posted: some of each set, spread evenly, always the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
MASKS = "ground_truth"
GOOD = "good"


@dataclass(frozen=True, slots=True)
class Picture:
    """A file as it is posted.

    Attributes:
        name: its path within its set.
        data: the whole file.
    """

    name: str
    data: bytes

    def pixels(self) -> NDArray[np.uint8]:
        """BGR uint8 [height, width, 3]."""
        decoded = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            raise SystemExit(f"OpenCV cannot read {self.name}")
        return decoded.astype(np.uint8, copy=False)


Sets = Mapping[str, Sequence[Picture]]
"""Pictures by the name of their set."""


def read_sets(data: Path, count: int) -> dict[str, list[Picture]]:
    """Read up to `count` pictures of each folder in `data`, half of them good where it has as many.

    Raises:
        SystemExit: there are no pictures.
    """
    folders = sorted(path for path in data.iterdir() if path.is_dir())
    sets = {folder.name: _read_set(folder, count) for folder in folders}
    found = {name: pictures for name, pictures in sets.items() if pictures}
    if not found:
        raise SystemExit(f"{data} has no folder with pictures")
    return found


def spread(names: Sequence[str], count: int) -> list[str]:
    """Choose up to `count` names: half of folders called `good`, half of others, evenly spaced."""
    ordered = sorted(names)
    good = [name for name in ordered if Path(name).parent.name == GOOD]
    rest = [name for name in ordered if Path(name).parent.name != GOOD]
    good_count = min(len(good), max(count // 2, count - len(rest)))
    return _spaced(good, good_count) + _spaced(rest, min(len(rest), count - good_count))


def sample(sets: Sets, count: int) -> dict[str, list[Picture]]:
    """Choose up to `count` of each set, as `spread` does."""
    chosen = {}
    for name, pictures in sets.items():
        wanted = set(spread([picture.name for picture in pictures], count))
        chosen[name] = [picture for picture in pictures if picture.name in wanted]
    return chosen


def digest_of(pictures: Sequence[Picture]) -> str:
    """SHA-256 over names and files: equal only for the same pictures in the same order."""
    total = hashlib.sha256()
    for picture in pictures:
        total.update(picture.name.encode() + hashlib.sha256(picture.data).digest())
    return total.hexdigest()


def _read_set(folder: Path, count: int) -> list[Picture]:
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    names = [
        path.as_posix()
        for path in paths
        if path.suffix.lower() in SUFFIXES and MASKS not in path.parts
    ]
    return [Picture(name, (folder / name).read_bytes()) for name in spread(names, count)]


def _spaced(items: Sequence[str], count: int) -> list[str]:
    return [items[index * len(items) // count] for index in range(count)]
