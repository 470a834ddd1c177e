"""Puts what a backup has into its places, once every digest is found to be right."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final

from service.commands.backup import places
from service.commands.backup.archive import ABOUT, about_of, members_of
from service.commands.backup.places import ServerPlaces
from service.core.bundles.files import make_private, private_file
from service.core.errors import ConfigurationError
from service.repository.versions import has_nothing

_CONFIG_BYTES: Final = 1 << 20
_CHUNK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Contents:
    """What a backup has.

    Attributes:
        takt: release that has written it.
        made_at: when, UTC, ISO 8601.
        record: `sqlite`, `postgresql` or `none`.
        config: the settings in it; None where it has none.
        keys: whether it has keys of callers.
        pictures: number of kept pictures.
        model_files: number of files of the repository.
    """

    takt: str
    made_at: str
    record: str
    config: bytes | None = None
    keys: bool = False
    pictures: int = 0
    model_files: int = 0


def check_backup(file: Path, stream: BinaryIO) -> Contents:
    """Read a backup to its end, check every digest, and tell what it has; nothing is written.

    Raises:
        ConfigurationError: it is none, or damaged or not whole.
        OSError: it cannot be read.
    """
    anywhere = Path("/")
    everywhere = ServerPlaces(anywhere, anywhere, anywhere, anywhere)
    contents = None
    stream.seek(0)
    for member, content in members_of(file, stream):
        if contents is None:
            about = about_of(file, member, content)
            takt, made_at, record = (str(about.get(one)) for one in ("takt", "made_at", "record"))
            contents = Contents(takt, made_at, record)
            continue
        everywhere.of(member.name)
        contents.keys |= member.name == places.KEYS
        contents.pictures += member.name.startswith(f"{places.PICTURES}/")
        contents.model_files += member.name.startswith(f"{places.MODELS}/")
        if member.name == places.CONFIG:
            contents.config = content.read(_CONFIG_BYTES)
    if contents is None:
        raise ConfigurationError(f"{file} is no backup that `takt backup` has written")
    return contents


def restore(file: Path, stream: BinaryIO, contents: Contents, where: ServerPlaces) -> None:
    """Write everything into its place; where that fails, nothing of it stays.

    Args:
        file: name of the backup.
        stream: its content.
        contents: as `check_backup` has found them.
        where: it goes; what is not empty is refused.

    Raises:
        ConfigurationError: a place is not empty or not named, or the backup is damaged.
        OSError: a disk does not take it.
    """
    _refuse_full(contents, where)
    stream.seek(0)
    with contextlib.ExitStack() as undone:
        for folder in (where.data, where.repository):
            undone.callback(_empties(folder))
        for member, content in members_of(file, stream):
            if member.name == ABOUT:
                continue
            place = where.of(member.name)
            named = member.name in (places.CONFIG, places.KEYS)
            if named and place.exists():  # the same, or it would have been refused
                continue
            if named:
                undone.callback(place.unlink, missing_ok=True)
            private = not member.name.startswith(f"{places.MODELS}/")
            (make_private if private else _make)(place.parent)
            _write(place, member, content, 0o600 if private else member.mode & 0o777 | 0o600)
        undone.pop_all()
    os.sync()


def _refuse_full(contents: Contents, where: ServerPlaces) -> None:
    folders = []
    if contents.record != "none":
        folders.append((where.data, "--data-folder"))
    if contents.model_files:
        folders.append((where.repository, "--repository"))
    for folder, option in folders:
        if folder.exists() and not has_nothing(folder):
            raise ConfigurationError(
                f"{folder} is not empty, and a backup is restored into an empty folder alone; move "
                f"what is there away, or name another folder with {option}"
            )
    if contents.config is not None:
        config = where.of(places.CONFIG)
        if config.exists() and config.read_bytes() != contents.config:
            raise ConfigurationError(
                f"{config} exists and is not as the backup has it; move it away, or name another "
                "file with --config"
            )
    if contents.keys:
        keys = where.of(places.KEYS)
        if keys.exists():
            raise ConfigurationError(
                f"{keys} exists; move it away, or name another file with --keys-file"
            )


def _empties(folder: Path) -> Callable[[], None]:
    """What takes everything out of a folder that is not in it now."""
    existed = folder.exists()
    before = set(os.listdir(folder)) if existed else set()

    def empty() -> None:
        if not existed:
            shutil.rmtree(folder, ignore_errors=True)
            return
        for name in set(os.listdir(folder)) - before:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    return empty


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _write(place: Path, member: tarfile.TarInfo, content: IO[bytes], mode: int) -> None:
    with open(place, "xb", opener=private_file) as file:
        shutil.copyfileobj(content, file, _CHUNK_BYTES)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.utime(file.fileno(), (member.mtime, member.mtime))
