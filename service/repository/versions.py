"""Finds the versions in a repository's folder, and orders them."""

from __future__ import annotations

import re
from pathlib import Path

from service.bundles.bundle import MANIFEST
from service.errors import ConfigurationError
from service.repository.activation import ACTIVE


def find_bundles(folder: Path) -> list[Path]:
    """Folders of a repository that hold a version each, by name, the lowest version first.

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


def find_models(folder: Path) -> dict[Path, list[Path]]:
    """Folders of the models, by name, each with those of its versions, the lowest first.

    A model has no version where somebody has decided which one answers, and none is left.

    Raises:
        ConfigurationError: `find_bundles` finds none at all.
    """
    models: dict[Path, list[Path]] = {}
    for path in find_bundles(folder):
        models.setdefault(path.parent, []).append(path)
    for decision in folder.glob(f"*/{ACTIVE}"):
        if _may_be_served(decision.parent.name):
            models.setdefault(decision.parent, [])
    return dict(sorted(models.items(), key=lambda item: item[0].name))


def _may_be_served(part: str) -> bool:
    """Whether the folder is not hidden, and its name can be part of a URL."""
    return not part.startswith(".") and part.isprintable()


def _is_alias(path: Path) -> bool:
    """Whether the folder is only a link to a version beside it, such as `latest`."""
    return path.is_symlink() and path.resolve().parent == path.parent.resolve()


def natural(version: str) -> tuple[object, ...]:
    """Sort key of a version.

    >>> sorted(["10", "2", "v1.10", "v1.9", "2.0", "2.0-rc1"], key=natural)
    ['2', '2.0-rc1', '2.0', '10', 'v1.9', 'v1.10']
    """
    release, dash, candidate = version.partition("-")
    return _parts(release), dash == "", _parts(candidate)


def _parts(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.findall(r"[0-9]+|[^0-9]+", text)
    )
