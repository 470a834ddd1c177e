"""The place of a new version in a repository, and what stays active when it comes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from takt.core.bundles.bundle import MANIFEST
from takt.core.naming import is_model_name, is_version
from takt.repository.activation import (
    WAITING,
    Activation,
    by_itself,
    keep_activation,
    read_activation,
)
from takt_export.errors import LearnError
from takt_export.out_folder import check_folder, next_version, versions_in

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

        None if there is no former version, or each waits for its activation, as its self-test says
        not to serve it.

        Raises:
            ConfigurationError: `active.json` cannot be understood.
        """
        folder = self.repository / self.model
        decision = read_activation(folder)
        return decision.active if decision else by_itself([folder / one for one in self.former])

    @property
    def base(self) -> str | None:
        """The version that an update goes on from: the active one, or the highest that waits.

        Raises:
            ConfigurationError: `active.json` cannot be understood.
        """
        return self.active or (self.former[-1] if self.former else None)


def next_place(repository: Path, model: str) -> Place:
    """The place of a model's next version; can be written to.

    Raises:
        BundleError: the repository cannot be written to.
        ConfigurationError: `active.json` cannot be understood.
        LearnError: the name is none for a model, or the disk is full.
    """
    if not is_model_name(model):
        raise LearnError(
            f"{model!r} is no name of a model: give --model up to 64 letters, digits, '.', '_' and "
            "'-', beginning with a letter or a digit"
        )
    folder = repository / model
    read_activation(folder)  # refuses what would be refused after the fit
    place = Place(
        repository,
        model,
        next_version(folder),
        tuple(name for name in versions_in(folder) if (folder / name / MANIFEST).exists()),
    )
    check_folder(place.path)
    nearest = next(parent for parent in place.path.resolve().parents if parent.exists())
    check_room(nearest)
    return place


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
    active = place.active
    if active is None or read_activation(folder) is not None:
        return
    if not keep_activation(folder, Activation.now(active, None, WAITING)):
        tell(f"warning: {folder} cannot keep that version {active} stays active")


def bundles_of(repository: Path) -> list[tuple[str, str]]:
    """Model and version of each bundle in a repository, which need not exist."""
    found = repository.glob(f"*/*/{MANIFEST}")
    return [
        (path.parent.parent.name, path.parent.name)
        for path in found
        if is_version(path.parent.name)
    ]
