"""Pictures of the documentation: each is made by a test, and tells of which release it is.

`TAKT_SCREENSHOTS=docs` before a test's command keeps what it makes, as `make pictures` does.
"""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from tests.tree import declared

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_SOFTWARE = 0x0131
"""The tag of EXIF that names what has made a picture."""


def release() -> str:
    """The stamp of a picture of this release."""
    return f"Takt {declared('takt-inspection')['version']}"


def keep(picture: Image.Image, path: Path, **options: object) -> None:
    """Write a picture of this release; options are those of its format."""
    stamp = Image.Exif()
    stamp[_SOFTWARE] = release()
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert("RGB").save(path, exif=stamp, **options)


def stamp_of(path: Path) -> str | None:
    """What has made a picture, as it says itself."""
    with Image.open(path) as picture:
        return picture.getexif().get(_SOFTWARE)


def folder_for(tmp_path: Path) -> Path:
    """Where pictures of docs/ go: there if they are to be kept."""
    return ROOT / os.environ.get("TAKT_SCREENSHOTS", tmp_path)
