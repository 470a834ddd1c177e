"""Writes files so that each is whole or unchanged, whenever a process or a machine stops.

Makes folders and files that nobody else may read, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, data: bytes, new_mode: int = 0o666) -> None:
    """Writes a file beside `path`, syncs it to the disk and renames it to `path`.

    The file keeps the mode of the one that it replaces, and its owner where we may give files away.

    Args:
        path: the file.
        data: what it is to hold.
        new_mode: mode of a file that replaces none, before the umask.

    Raises:
        OSError: the folder or the disk does not take it; what was there stays.
    """
    with unfinished_file(path) as unfinished:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, new_mode)
        with os.fdopen(descriptor, "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                former = path.stat()
                with contextlib.suppress(PermissionError):
                    os.chown(unfinished, former.st_uid, former.st_gid)
                unfinished.chmod(former.st_mode & 0o777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def unfinished_file(path: Path) -> Iterator[Path]:
    """The path of a file beside `path` to write and to sync.

    It becomes `path` at the end, for good, and vanishes after an error.

    Raises:
        OSError: the folder does not take it; what was there stays.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to fill; becomes `path` at the end and vanishes after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        os.rename(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone.

    One that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def private_file(path: str, flags: int) -> int:
    """Open a file, a new one for this user alone; an `opener` of `open`."""
    return os.open(path, flags, 0o600)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Has the changes of several processes come one after another."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Makes a rename permanent, where the file system can sync a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
