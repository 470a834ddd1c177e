"""What goes into a backup, while the server goes on.

The order is what keeps it whole. The head of the audit log is taken before the database, which it
never leads; decisions before the versions that they name; and the database before the pictures, of
which one too many does no harm, and one that retention has removed meanwhile is missing nowhere.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from takt.commands.backup import places
from takt.commands.backup.archive import Archive
from takt.commands.backup.database import foreign_in
from takt.commands.backup.places import ServerPlaces
from takt.commands.backup.private_keys import holds_private_key
from takt.core.bundles.bundle import MANIFEST
from takt.core.bundles.files import private_file
from takt.core.bundles.reading import open_file
from takt.core.errors import ConfigurationError
from takt.recording.pictures import PictureStore, format_of
from takt.repository.versions import has_nothing, look

_TRIES: Final = 5
"""So often a version is opened anew that somebody changes meanwhile."""

LeftOut = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BackedUp:
    """How much went into a backup: kept pictures, and files of the repository."""

    pictures: int
    model_files: int


def gather(
    archive: Archive,
    where: ServerPlaces,
    *,
    record: bool,
    database: bool,
    beside: Path,
    tell: LeftOut,
) -> BackedUp:
    """Add everything to a backup.

    Args:
        archive: that is being written.
        where: it lies.
        record: whether there is a record at all.
        database: whether its database is a file in the data folder.
        beside: folder in which a copy of that file may lie for a while.
        tell: hears what is left out, and why.

    Raises:
        ConfigurationError: something is missing or cannot be read, or holds a private key in the
            place of something else.
        OSError: a disk fails.
    """
    for name, file in ((places.CONFIG, where.config), (places.KEYS, where.keys_file)):
        if file is not None:
            _add_named(archive, name, file)
    if record:
        head = where.of(places.HEAD)
        with contextlib.suppress(FileNotFoundError):
            _add_named(archive, places.HEAD, head)
        if database:
            with _copy_of(where.of(places.DATABASE), beside, tell) as copy:
                archive.add(places.DATABASE, copy)
    archive.pack_no_more()
    model_files = _add_models(archive, where.repository, tell)
    pictures = _add_pictures(archive, where.pictures, tell) if record else 0
    return BackedUp(pictures, model_files)


def check_repository(folder: Path) -> None:
    """Refuse a folder that is no repository of models; one without any model is one.

    Raises:
        ConfigurationError: it is none.
    """
    if not has_nothing(folder):
        look(folder)


def _add_named(archive: Archive, name: str, file: Path) -> None:
    """Add a file that somebody has named, wherever it lies.

    Raises:
        FileNotFoundError: there is none.
        ConfigurationError: it holds a private key, or cannot be read.
    """
    with open_file(file, (Path("/"),), sys.maxsize, ConfigurationError) as stream:
        if holds_private_key(stream):
            raise ConfigurationError(
                f"{file} holds a private key, which no backup may have; put it elsewhere"
            )
        archive.add(name, stream)


@contextlib.contextmanager
def _copy_of(database: Path, beside: Path, tell: LeftOut) -> Iterator[BinaryIO]:
    """A copy of SQLite's file as it was at one moment, by SQLite itself; removed at the end.

    It is opened to read alone, and no tables are brought up to date: a backup is what is taken
    before a release that does so. What somebody else has made in it is left out.

    Raises:
        ConfigurationError: it is no database, or damaged.
    """
    copy = beside / f".{database.name}.{secrets.token_hex(4)}.part"
    try:
        open(copy, "xb", opener=private_file).close()
        try:
            with (
                contextlib.closing(
                    sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
                ) as source,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                # In one step: with others in between, each inspection would begin it anew.
                source.backup(target)
                for kind, name in foreign_in(target):
                    quoted = '"' + name.replace('"', '""') + '"'
                    target.execute(f"DROP {kind} IF EXISTS {quoted}")
                    tell(f"the {kind} {name!r} in {database}, which is not Takt's")
        except sqlite3.Error as error:
            raise ConfigurationError(f"{database} cannot be backed up: {error}") from error
        with open(copy, "rb") as stream:
            yield stream
    finally:
        copy.unlink(missing_ok=True)


def _add_models(archive: Archive, repository: Path, tell: LeftOut) -> int:
    if not repository.is_dir():
        return 0
    root = Path(os.path.realpath(repository))
    count = 0
    for folder, names, is_version in _folders(root, tell):
        if is_version:
            with contextlib.ExitStack() as opened:
                files = _opened_together(folder, root, opened, tell)
                count += sum(_add_of_model(archive, root, *one, tell) for one in files)
            continue
        for name in names:
            with contextlib.ExitStack() as opened:
                path = folder / name
                if (stream := _open(path, root, opened, tell)) is not None:
                    count += _add_of_model(archive, root, path, stream, tell)
    return count


def _folders(root: Path, tell: LeftOut) -> Iterator[tuple[Path, Sequence[str], bool]]:
    """Each visible folder with its files, and whether it is a version; then nothing below it."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for path, folders, names in os.walk(root, onerror=fail):
        folder = Path(path)
        for name in folders:
            if (folder / name).is_symlink() and not name.startswith("."):
                tell(f"{folder / name}, a link to a folder")
        is_version = folder != root and MANIFEST in names
        stays = (n for n in folders if not n.startswith(".") and not (folder / n).is_symlink())
        folders[:] = [] if is_version else sorted(stays)
        yield folder, sorted(name for name in names if not name.startswith(".")), is_version


def _opened_together(
    version: Path, root: Path, opened: contextlib.ExitStack, tell: LeftOut
) -> list[tuple[Path, BinaryIO]]:
    """The files of a version, opened at one moment: what is removed later is read all the same.

    Calibration and variants write new files, then the manifest, and remove old files last. So
    files belong together where the manifest is the same before and after they were opened.

    Raises:
        ConfigurationError: it changes all the time.
    """
    for _ in range(_TRIES):
        before = _identity(version / MANIFEST)
        with contextlib.ExitStack() as this_time:
            found = [
                (path, stream)
                for folder, names, _ in _folders(version, tell)
                for path in (folder / name for name in names)
                if (stream := _open(path, root, this_time, tell)) is not None
            ]
            if before == _identity(version / MANIFEST):
                opened.push(this_time.pop_all())
                return [] if before is None else found
    raise ConfigurationError(f"{version} is being changed all the time; try again later")


def _identity(manifest: Path) -> tuple[int, int, int] | None:
    """What tells a manifest from another one in its place; None where there is none."""
    with contextlib.suppress(FileNotFoundError):
        found = manifest.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None


def _open(path: Path, root: Path, opened: contextlib.ExitStack, tell: LeftOut) -> BinaryIO | None:
    """A file of the repository; None where it has just gone, or is none."""
    try:
        return opened.enter_context(open_file(path, (root,), sys.maxsize, ConfigurationError))
    except FileNotFoundError:
        return None
    except ConfigurationError as error:
        tell(str(error))
        return None


def _add_of_model(
    archive: Archive, root: Path, path: Path, stream: BinaryIO, tell: LeftOut
) -> bool:
    name = path.relative_to(root).as_posix()
    if not places.may_be_a_name(f"{places.MODELS}/{name}"):
        tell(f"{name[:100]!r} in {root}, whose name cannot be shown, or is too long or too deep")
        return False
    if holds_private_key(stream):
        tell(f"{path}, which holds a private key")
        return False
    archive.add(f"{places.MODELS}/{name}", stream)
    return True


def _add_pictures(archive: Archive, folder: Path, tell: LeftOut) -> int:
    count, root = 0, folder.resolve()
    for path, _ in PictureStore(root).files():
        if places.PICTURE.fullmatch(path) is None:
            if not path.rpartition("/")[2].startswith("."):  # one that is being written
                tell(f"{root / path}, which is no kept picture by its name")
            continue
        with contextlib.ExitStack() as opened:
            # Retention may have removed it by now.
            if (stream := _open(root / path, root, opened, tell)) is None:
                continue
            if format_of(stream.read(12)) == "unknown" and holds_private_key(stream):
                tell(f"{root / path}, which holds a private key")
                continue
            archive.add(f"{places.PICTURES}/{path}", stream)
            count += 1
    return count
