"""Versions that nobody needs any more: which ones go, why the others stay, and their removal."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from takt.core.bundles.bundle import read_digest
from takt.core.errors import BundleError, ConfigurationError
from takt.recording.audit.chain import append, tell_stored
from takt.recording.audit.entry import Change
from takt.recording.database import Database
from takt.recording.needs import Need, needs_of
from takt.repository.activation import Activation, by_itself, read_activation
from takt.repository.versions import find_models

_ASIDE = ".pruned-"
"""In names of folders that are being removed; no server sees a hidden one."""

_ACTIVE = "it is active"


@dataclass(frozen=True, slots=True)
class PlannedVersion:
    """A version, and what becomes of it.

    Attributes:
        path: of its folder.
        digest: of its bundle; empty where the manifest cannot be read.
        bytes: that its files have.
        stays: why it stays, one text for each reason; it goes if there is none.
    """

    path: Path
    digest: str
    bytes: int
    stays: tuple[str, ...]


def plan_pruning(repository: Path, needs: Mapping[str, Need], newest: int) -> list[PlannedVersion]:
    """Every version of a repository, by name, the lowest first, and whether it stays.

    A version stays if it is active, if a rollback goes back to it, if it is among the newest, if a
    link leads to it, or if the record needs it.

    Args:
        repository: folder of the bundles.
        needs: what the record needs bundles for, by their digests.
        newest: so many of the highest versions of each model stay.

    Raises:
        ConfigurationError: it has no bundle, or the decision for an active version cannot be
            understood.
    """
    planned = []
    for model, paths in find_models(repository).items():
        decision = read_activation(model)
        highest = None if decision else by_itself(paths)
        for place, path in enumerate(paths):
            stays = _decided(path.name, decision)
            if path.name == highest:
                stays.append(_ACTIVE)
            if place >= len(paths) - newest:
                stays.append(f"it is among the newest {newest}")
            stays += [f"{link} leads to it" for link in _links_to(path)]
            try:
                digest = read_digest(path, repository)
            except BundleError as error:
                digest = ""
                stays.append(f"it cannot be told whether the record needs it: {error}")
            if need := needs.get(digest):
                stays.append(reason_of(need))
            planned.append(PlannedVersion(path, digest, _bytes_of(path), tuple(stays)))
    return planned


def _decided(version: str, decision: Activation | None) -> list[str]:
    """Why somebody's decision, if there is one, has a version stay."""
    if decision is None:
        return []
    chosen = ((_ACTIVE, decision.active), ("a rollback goes back to it", decision.previous))
    return [reason for reason, name in chosen if name == version]


def reason_of(need: Need) -> str:
    """A record's need of a bundle in words.

    >>> reason_of(Need(pictures=1204, judged=3))
    'the record needs it: 1,204 inspections with a kept picture, 3 judged'
    """
    return (
        f"the record needs it: {need.pictures:,} inspections with a kept picture, "
        f"{need.judged:,} judged"
    )


def remove_version(
    version: PlannedVersion, database: Database, who: str, reason: str
) -> str | None:
    """Remove a version's folder, with an entry in the audit log, unless it is needed by now.

    Args:
        version: that goes.
        database: of the record; nothing is recorded while the folder is taken away.
        who: name of who removes it.
        reason: for the audit log.

    Returns:
        Why it stays after all; None if it is removed.

    Raises:
        ConfigurationError: the folder cannot be changed, or the decision for an active version
            cannot be understood by now; it stays.
        RecordError: the database does not answer; the folder stays.
    """
    path = version.path
    aside = path.with_name(f".{path.name}{_ASIDE}{secrets.token_hex(4)}")
    change = Change(
        who=who,
        action="version_pruned",
        model=path.parent.name,
        version=path.name,
        old={"digest": version.digest, "bytes": version.bytes},
        reason=reason,
    )
    try:
        with database.writing(durable=True) as connection:
            if need := needs_of(connection, version.digest).get(version.digest):
                return reason_of(need)
            # Somebody may have activated it since it was planned.
            if reasons := _decided(path.name, read_activation(path.parent)):
                return reasons[0]
            _rename(path, aside)
            (entry,) = append(connection, change)
    except BaseException:
        if aside.is_dir():
            _rename(aside, path)
        raise
    tell_stored(database, entry)
    _remove(aside)
    return None


def remove_leftovers(repository: Path) -> None:
    """Remove what a removal has left behind that did not come to its end.

    Raises:
        ConfigurationError: the folder cannot be changed.
    """
    for aside in repository.glob(f"*/.*{_ASIDE}*"):
        _remove(aside)


def _rename(path: Path, to: Path) -> None:
    try:
        os.rename(path, to)
    except OSError as error:
        raise _unchangeable(path, error) from None


def _remove(folder: Path) -> None:
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder)
    except OSError as error:
        raise _unchangeable(folder, error) from None


def _unchangeable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be removed: {error.strerror or error}")


def _links_to(path: Path) -> Iterator[str]:
    """Names of links beside a version that lead to it, such as `latest`."""
    real = path.resolve()
    for other in sorted(path.parent.iterdir()):
        if other != path and other.is_symlink() and other.resolve() == real:
            yield other.name


def _bytes_of(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
