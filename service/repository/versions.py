"""The versions in a repository's folder: which there are, and which of two is the higher one."""

from __future__ import annotations

import re
from pathlib import Path

from service.bundles.bundle import MANIFEST
from service.errors import ConfigurationError


def find_bundles(folder: Path) -> list[Path]:
    """The folders of a repository that hold a version each, by name, the lowest version first.

    Raises:
        ConfigurationError: the folder is missing, or has none.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"the model repository {folder} is no folder; name one with --repository"
        )
    found = [
        path.parent
        for path in folder.glob(f"*/*/{MANIFEST}")
        if all(_may_be_served(part) for part in path.parent.relative_to(folder).parts)
        and not _is_alias(path.parent)
    ]
    if not found:
        raise ConfigurationError(
            f"the model repository {folder} has no bundle <name>/<version>/{MANIFEST}; make one "
            "with `takt export`"
        )
    return sorted(found, key=lambda path: (path.parent.name, natural(path.name)))


def _may_be_served(part: str) -> bool:
    """Whether it is no hidden folder, and its name can be written in an address."""
    return not part.startswith(".") and part.isprintable()


def _is_alias(path: Path) -> bool:
    """Whether it is only another name of a version, such as `latest`."""
    return path.is_symlink() and path.resolve().parent == path.parent.resolve()


def natural(version: str) -> tuple[object, ...]:
    """What versions are sorted by: 2 before 10, v1.9 before v1.10 and 2.0-rc1 before 2.0."""
    release, dash, candidate = version.partition("-")
    return _parts(release), dash == "", _parts(candidate)


def _parts(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.findall(r"[0-9]+|[^0-9]+", text)
    )
