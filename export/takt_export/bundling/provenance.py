"""Where a bundle comes from, by digests: pictures, checkpoint, host."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from takt.core.bundles.signing.provenance import PictureSet, Provenance
from takt.core.host import host_name, usable_cores


def provenance(good: Sequence[Path], defects: Sequence[Path], files: Iterable[Path]) -> Provenance:
    """What is kept of an export's origin.

    Args:
        good: pictures of good parts, at least one.
        defects: pictures of defective parts; may be empty.
        files: that the model came from; of a folder, nelson1425's files in it.

    Raises:
        OSError: one of the files cannot be read.
    """
    return Provenance(
        good=picture_set(good),
        defects=picture_set(defects) if defects else None,
        files=tuple(sorted(map(_digest, _each(files)))),
        host=host_name(usable_cores()),
        system=_system(),
    )


def picture_set(pictures: Sequence[Path]) -> PictureSet:
    """Pictures by their content, whatever their names and their order.

    Raises:
        OSError: one of them cannot be read.
    """
    lines = sorted(f"{_digest(path)}\n" for path in pictures)
    return PictureSet(
        count=len(lines), digest=hashlib.sha256("".join(lines).encode("ascii")).hexdigest()
    )


def _each(files: Iterable[Path]) -> Iterable[Path]:
    for path in files:
        yield from sorted(path.glob("*.pth")) if path.is_dir() else (path,)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _system() -> str:
    """Name of the operating system and the machine's kind; nothing of the host's own."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name}, {platform.machine()}"
