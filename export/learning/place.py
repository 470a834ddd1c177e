"""The place of a new version in a repository, and what stays active when it comes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.bundling.export_bundle import check_folder
from export.errors import LearnError
from service.bundles.bundle import MANIFEST
from service.bundles.manifest import NAME_PATTERN
from service.repository.activation import (
    WAITING,
    Activation,
    keep_activation,
    read_activation,
)
from service.repository.versions import natural

FREE_BYTES = 256 << 20
"""Room on the disk with which learning begins; a bundle of EfficientNet-Lite0 takes a tenth."""


@dataclass(frozen=True)
class Place:
    """Where a new version goes.

    Attributes:
        repository: folder of the models.
        model: name of the model.
        version: name of the new version.
        former: versions that are there already, the lowest first.
    """

    repository: Path
    model: str
    version: str
    former: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Folder of the new version."""
        return self.repository / self.model / self.version

    @property
    def active(self) -> str | None:
        """The former version that answers now where a request names none, as the folder says.

        Raises:
            ConfigurationError: `active.json` cannot be understood.
        """
        decision = read_activation(self.repository / self.model)
        highest = self.former[-1] if self.former else None
        return decision.active if decision else highest


def next_place(repository: Path, model: str) -> Place:
    """The place of a model's next version; can be written to.

    Raises:
        BundleError: the repository cannot be written to.
        LearnError: the name is none for a model, or the disk is full.
    """
    if not re.match(NAME_PATTERN, model):
        raise LearnError(
            f"{model!r} is no name of a model: give --model up to 64 letters, digits, '.', '_' and "
            "'-', beginning with a letter or a digit"
        )
    folder = repository / model
    taken = sorted((one.name for one in _folders(folder)), key=natural)
    place = Place(
        repository,
        model,
        version_after(taken[-1]) if taken else "1",
        tuple(name for name in taken if (folder / name / MANIFEST).exists()),
    )
    check_folder(place.path)
    nearest = next(parent for parent in place.path.resolve().parents if parent.exists())
    check_room(nearest)
    return place


def version_after(highest: str) -> str:
    """The name of the version after the highest one.

    >>> [version_after(one) for one in ("9", "v1.9", "2.0-rc1", "new")]
    ['10', 'v1.10', '2.1', 'new.2']
    """
    release = highest.partition("-")[0]
    numbers = list(re.finditer(r"[0-9]+", release))
    if not numbers:
        return f"{release}.2"
    last = numbers[-1]
    return f"{release[: last.start()]}{int(last.group()) + 1}{release[last.end() :]}"


def check_room(folder: Path) -> None:
    """Refuses a disk that is all but full, before any work.

    Raises:
        LearnError: it has less than `FREE_BYTES` left.
    """
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise LearnError(
            f"the disk of {folder} has {free >> 20} MiB left, and learning may need "
            f"{FREE_BYTES >> 20}: make room, or give --repository on another disk"
        )


def keep_active(place: Place, tell: Callable[[str], None]) -> None:
    """States in the folder which version is active, before a later one comes that is not.

    A server that starts where nobody has decided would else take the highest version.

    Raises:
        ConfigurationError: `active.json` cannot be understood.
    """
    folder = place.repository / place.model
    if not place.former or read_activation(folder) is not None:
        return
    if not keep_activation(folder, Activation.now(place.former[-1], None, WAITING)):
        tell(f"warning: {folder} cannot keep that version {place.former[-1]} stays active")


def bundles_of(repository: Path) -> list[tuple[str, str]]:
    """Model and version of each bundle in a repository, which need not exist."""
    found = repository.glob(f"*/*/{MANIFEST}")
    return [(path.parent.parent.name, path.parent.name) for path in found]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
