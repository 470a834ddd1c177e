"""Finds the versions in a repository's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from takt.core.bundles.bundle import MANIFEST
from takt.core.errors import ConfigurationError
from takt.core.naming import VERSIONS, is_version, version_order
from takt.repository.activation import ACTIVE


@dataclass(frozen=True)
class Found:
    """The bundles in a repository's folder.

    Attributes:
        versions: folders that hold a version each, by name, the lowest version first.
        misnamed: folders that hold a bundle and are no version by their name.
    """

    versions: list[Path]
    misnamed: list[Path]


def has_nothing(folder: Path) -> bool:
    """Whether a folder is there, and nobody has put anything into it yet.

    What is hidden does not count, nor does an empty folder: a file system has one of its own, and
    an interrupted learning leaves one. Anything else may be the folder of something else.
    """
    if not folder.is_dir():
        return False
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    within = (one for path in visible for one in path.glob("*"))
    return all(path.is_dir() for path in visible) and all(
        one.name.startswith(".") for one in within
    )


def look(folder: Path, *, may_be_empty: bool = False) -> Found:
    """What bundles a repository has.

    Args:
        folder: of the repository.
        may_be_empty: whether there need be none yet, nor the folder.

    Raises:
        ConfigurationError: the folder is missing, or has none to serve.
    """
    if may_be_empty and not folder.exists():
        return Found([], [])
    if not folder.is_dir():
        raise ConfigurationError(
            f"the model repository {folder} is no folder; name one with --repository"
        )
    found = Found([], [])
    for path in (manifest.parent for manifest in folder.glob(f"*/*/{MANIFEST}")):
        parts = path.relative_to(folder).parts
        if all(_may_be_served(part) for part in parts) and not _is_alias(path):
            (found.versions if is_version(path.name) else found.misnamed).append(path)
    if not (found.versions or may_be_empty):
        raise ConfigurationError(
            why_misnamed(found.misnamed[0])
            if found.misnamed
            else f"the model repository {folder} has no bundle <name>/<version>/{MANIFEST}; name "
            "the folder that has those of all models, make one with `takt learn` or `takt "
            "export`, or name an empty folder and learn the first by the console"
        )
    found.versions.sort(key=lambda path: (path.parent.name, version_order(path.name)))
    return found


def why_misnamed(path: Path) -> str:
    """Why a bundle is not served, and what to do."""
    return (
        f"{path} is not served, as {path.name!r} is no version: {VERSIONS}; export it again to "
        "a folder of such a name"
    )


def find_models(folder: Path, *, may_be_empty: bool = False) -> dict[Path, list[Path]]:
    """Folders of the models, by name, each with those of its versions, the lowest first.

    A model has no version where somebody has decided which one answers, and none is left. The
    arguments are those of `look`.

    Raises:
        ConfigurationError: there is none at all, and there has to be one.
    """
    models: dict[Path, list[Path]] = {}
    for path in look(folder, may_be_empty=may_be_empty).versions:
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
