"""Puts what a backup has into its places, once all of it is found to be right."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from takt.commands.backup import places
from takt.commands.backup.archive import ABOUT
from takt.commands.backup.places import ServerPlaces
from takt.commands.backup.reading import AboutBackup, BackupMember, WrittenArchive, about_of
from takt.core.bundles.files import make_private, private_file
from takt.core.errors import ConfigurationError
from takt.repository.versions import has_nothing
from takt.security.keys.key_file import parse_keys

_MOST_BYTES: Final = {places.CONFIG: 1 << 16, places.KEYS: 1 << 19, places.HEAD: 1 << 10}
"""Of what people write by hand, or is a line."""
_LONGEST_LINE: Final = 1 << 12
"""Of keys and settings. A line of dots alone would take minutes, and all memory, to be read."""
_CHUNK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Contents:
    """What a backup has.

    Attributes:
        about: what it says of itself.
        digest: SHA-256 of the list of all digests.
        named: content of its settings and of its keys, by their names in it, where it has them.
        database: whether it has the record's database.
        data: number of files that go to the data folder.
        pictures: number of kept pictures.
        model_files: number of files of the repository.
    """

    about: AboutBackup
    digest: str = ""
    named: dict[str, bytes] = field(default_factory=dict)
    database: bool = False
    data: int = 0
    pictures: int = 0
    model_files: int = 0

    @property
    def in_postgresql(self) -> bool:
        """Whether its record's database is elsewhere."""
        return self.about.record == "postgresql" and not self.database


def check_backup(archive: WrittenArchive) -> Contents:
    """Read a backup to its end, check every digest, and tell what it has; nothing is written.

    Raises:
        ConfigurationError: it is none, or damaged or not whole.
        OSError: it cannot be read.
    """
    anywhere = Path("/")
    everywhere = ServerPlaces(anywhere, anywhere, anywhere, anywhere)
    contents, once = None, set()
    for member, content in archive.members():
        if contents is None:
            contents = Contents(about_of(archive.file, member, content))
            continue
        everywhere.of(member.name)
        if member.size > _MOST_BYTES.get(member.name, member.size):
            raise ConfigurationError(f"{archive.file}: {member.name} is larger than any is")
        if member.name in once:
            raise ConfigurationError(f"{archive.file} has {member.name} twice")
        if member.name in (places.CONFIG, places.KEYS):
            contents.named[member.name] = said = content.read(member.size)
            if any(len(line) > _LONGEST_LINE for line in said.splitlines()):
                raise ConfigurationError(f"{archive.file}: {member.name} has too long a line")
        if member.name in (*_MOST_BYTES, places.DATABASE):
            once.add(member.name)
        contents.data += member.name.startswith("data/")
        contents.pictures += member.name.startswith(f"{places.PICTURES}/")
        contents.model_files += member.name.startswith(f"{places.MODELS}/")
    if contents is None:
        raise ConfigurationError(f"{archive.file} is no backup that `takt backup` has written")
    contents.digest, contents.database = archive.digest, places.DATABASE in once
    if contents.about.record == "sqlite" and not contents.database:
        raise ConfigurationError(
            f"{archive.file} is not whole: {places.DATABASE} is missing; take another backup"
        )
    if (keys := contents.named.get(places.KEYS)) is not None:
        _check_keys(archive.file, keys)
    return contents


@contextlib.contextmanager
def restored(
    archive: WrittenArchive, contents: Contents, where: ServerPlaces
) -> Iterator[list[Path]]:
    """Write everything into its place; where that or the block fails, nothing of it stays.

    Args:
        archive: the backup.
        contents: as `check_backup` has found them.
        where: it goes; what is not empty is refused.

    Returns:
        What was written, but for pictures and models.

    Raises:
        ConfigurationError: a place is not empty or not named, or the backup is another one by now.
        OSError: a disk does not take it.
    """
    _refuse_full(contents, where)
    written = []
    with contextlib.ExitStack() as undone:
        for folder in (where.data, where.repository):
            undone.callback(_empties(folder))
        for member, content in archive.members():
            if member.name == ABOUT:
                continue
            place, body = where.of(member.name), content
            if (named := contents.named.get(member.name)) is not None:
                if place.exists():  # the same, or it would have been refused
                    continue
                undone.callback(_remove, _missing(place.parent))
                undone.callback(place.unlink, missing_ok=True)
                body = io.BytesIO(named)
            if not member.name.startswith((f"{places.MODELS}/", f"{places.PICTURES}/")):
                written.append(place)
            private = not member.name.startswith(f"{places.MODELS}/")
            (make_private if private else _make)(place.parent)
            # No digest or signature is over modes, so that none lets others write.
            _write(place, member, body, 0o600 if private else member.mode & 0o755 | 0o600)
        if archive.digest != contents.digest:
            raise ConfigurationError(
                f"{archive.file} was changed while it was restored; copy it to a place where "
                "nobody else writes"
            )
        os.sync()
        yield written
        undone.pop_all()


def _check_keys(file: Path, keys: bytes) -> None:
    try:
        parse_keys(keys)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {places.KEYS} has no keys: {error}") from None


def _refuse_full(contents: Contents, where: ServerPlaces) -> None:
    folders = []
    if contents.data:
        folders.append((where.data, "--data-folder"))
    if contents.model_files:
        folders.append((where.repository, "--repository"))
    for folder, option in folders:
        if folder.exists() and not has_nothing(folder):
            raise ConfigurationError(
                f"{folder} is not empty, and a backup is restored into an empty folder alone; move "
                f"what is there away, or name another folder with {option}"
            )
    if (told := contents.named.get(places.CONFIG)) is not None:
        config = where.of(places.CONFIG)
        if config.exists() and config.read_bytes() != told:
            raise ConfigurationError(
                f"{config} exists and is not as the backup has it; move it away, or name another "
                "file with --config"
            )
    if places.KEYS in contents.named:
        keys = where.of(places.KEYS)
        if keys.exists():
            raise ConfigurationError(
                f"{keys} exists; move it away, or name another file with --keys-file"
            )


def _empties(folder: Path) -> Callable[[], None]:
    """What takes everything out of a folder that is not in it now, and what was made for it."""
    missing = _missing(folder)
    before = set() if missing else set(os.listdir(folder))

    def empty() -> None:
        for name in set(os.listdir(folder) if folder.exists() else ()) - before:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        _remove(missing)

    return empty


def _missing(folder: Path) -> list[Path]:
    """A folder and those above it that are not there, the lowest first."""
    return [one for one in (folder, *folder.parents) if not one.exists()]


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # it was not made, or somebody has put something there
            folder.rmdir()


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _write(place: Path, member: BackupMember, content: IO[bytes], mode: int) -> None:
    with open(place, "xb", opener=private_file) as file:
        shutil.copyfileobj(content, file, _CHUNK_BYTES)
        file.flush()
        os.fchmod(file.fileno(), mode)
        # A time that this system does not know is no reason to lose a picture.
        with contextlib.suppress(ValueError, OverflowError):
            os.utime(file.fileno(), (member.mtime, member.mtime))
