"""Finds the versions in a repository's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.core.bundles.bundle import MANIFEST
from service.core.errors import ConfigurationError
from service.core.naming import VERSIONS, is_version, version_order
from service.repository.activation import ACTIVE


@dataclass(frozen=True)
class Found:
    """The bundles in a repository's folder.

    Attributes:
        versions: folders that hold a version each, by name, the lowest version first.
        misnamed: folders that hold a bundle and are no version by their name.
    """

    versions: list[Path]
    misnamed: list[Path]


def look(folder: Path) -> Found:
    """What bundles a repository has.

    Raises:
        ConfigurationError: the folder is missing, or has none to serve.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"the model repository {folder} is no folder; name one with --repository"
        )
    found = Found([], [])
    for path in (manifest.parent for manifest in folder.glob(f"*/*/{MANIFEST}")):
        parts = path.relative_to(folder).parts
        if all(_may_be_served(part) for part in parts) and not _is_alias(path):
            (found.versions if is_version(path.name) else found.misnamed).append(path)
    if not found.versions:
        raise ConfigurationError(
            why_misnamed(found.misnamed[0])
            if found.misnamed
            else f"the model repository {folder} has no bundle <name>/<version>/{MANIFEST}; make "
            "one with `takt export`"
        )
    found.versions.sort(key=lambda path: (path.parent.name, version_order(path.name)))
    return found


def why_misnamed(path: Path) -> str:
    """Why a bundle is not served, and what to do."""
    return (
        f"{path} is not served, as {path.name!r} is no version: {VERSIONS}; export it again to "
        "a folder of such a name"
    )


def find_bundles(folder: Path) -> list[Path]:
    """Folders of a repository that hold a version each, by name, the lowest version first.

    Raises:
        ConfigurationError: the folder is missing, or has none.
    """
    return look(folder).versions


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
