"""The one place where a bundle's files are opened: whole, regular files within bounds, no others.

Whoever can write to a model repository could place a link to another file of the host there, a pipe
that never ends, or a file that fills the memory. None of these is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from takt.core.errors import BundleError, TaktError

RECORD_BYTES = 1 << 20
"""Largest JSON file in a model's folder."""

_CHUNK_BYTES = 1 << 18
# A pipe is opened without waiting for its writer, and a terminal does not become the process's own.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def surroundings(folder: Path, repository: Path | None = None) -> tuple[Path, ...]:
    """The folders out of which no link of a version's folder may lead.

    Args:
        folder: `<repository>/<name>/<version>`.
        repository: of a server. Without one, somebody named the folder himself, possibly by a link
            of his own, whose target counts as a place in a repository as well.
    """
    if repository is not None:
        return (_real(repository),)
    return (_real(Path(os.path.abspath(folder)).parent.parent), _real(folder).parent.parent)


@contextlib.contextmanager
def open_file(
    file: Path,
    within: Sequence[Path],
    most_bytes: int,
    error: type[TaktError] = BundleError,
) -> Iterator[BinaryIO]:
    """Opens a regular file to read, and closes it at the end of the block.

    Args:
        file: may be a link, or lie behind one, as in volumes of Kubernetes.
        within: folders without links, in one of which the file has to be.
        most_bytes: size from which on it is refused.
        error: the kind of error for a file that is refused or cannot be read.

    Raises:
        FileNotFoundError: there is no such file.
        TaktError: of the kind `error`.
    """
    with foreign_errors(file, error):
        # Resolved first and opened without following a link, so that the place that was judged is
        # the place that is read; looked at first, as to open a device may already do something.
        real = Path(os.path.realpath(file, strict=True))
        if not any(real.is_relative_to(folder) for folder in within):
            raise error(
                f"{file} is a link that leads out of the model repository; put the file there"
            )
        _check_regular(file, os.lstat(real), most_bytes, error)
        descriptor = os.open(real, _FLAGS)
    with os.fdopen(descriptor, "rb") as stream:
        _check_regular(file, os.fstat(descriptor), most_bytes, error)
        yield stream


def read_file(
    file: Path, within: Sequence[Path], most_bytes: int, error: type[TaktError] = BundleError
) -> bytes:
    """The content of a regular file; the arguments and errors are those of `open_file`."""
    with open_file(file, within, most_bytes, error) as stream, foreign_errors(file, error):
        # Not to its end, which another process may go on moving.
        return stream.read(os.fstat(stream.fileno()).st_size)


def digest_of(stream: BinaryIO) -> str:
    """The SHA-256 of a file, as long as it was when the reading began."""
    digest = hashlib.sha256()
    for chunk in chunks_of(stream):
        digest.update(chunk)
    return digest.hexdigest()


def chunks_of(stream: BinaryIO) -> Iterator[memoryview]:
    """The content from its start; each part is valid until the next one is asked for."""
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    left = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    while count := stream.readinto(buffer[: min(left, len(buffer))]):  # type: ignore[attr-defined]
        left -= count
        yield buffer[:count]


@contextlib.contextmanager
def foreign_errors(file: Path, error: type[TaktError]) -> Iterator[None]:
    """Turns the errors of the system into one of ours, but for a file that is not there."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as failed:
        raise error(f"{file} cannot be read: {failed.strerror}") from None


def file_sha256(file: Path) -> str:
    """The SHA-256 of a bundle's file.

    Raises:
        BundleError: the file is missing or cannot be read.
    """
    try:
        with (
            open_file(file, surroundings(file.parent), most_bytes=1 << 40) as stream,
            foreign_errors(file, BundleError),
        ):
            return digest_of(stream)
    except FileNotFoundError:
        raise missing(file) from None


def missing(file: Path) -> BundleError:
    """The error for a file of a bundle that is not there."""
    return BundleError(f"{file} is missing; export the bundle again")


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _check_regular(
    file: Path, found: os.stat_result, most_bytes: int, error: type[TaktError]
) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise error(f"{file} cannot be read: it is no regular file")
    if found.st_size > most_bytes:
        raise error(f"{file} has {found.st_size} bytes, more than the {most_bytes} that are read")
