"""The file of a backup: a tar, packed by gzip, whose last member has the SHA-256 of all others.

Other tools read it, too: `tar -xzf FILE`, then `sha256sum -c SHA256SUMS`. Nothing here needs memory
that grows with the number or the size of its members.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from service.core.bundles.files import private_file, unfinished_file
from service.core.errors import ConfigurationError

ABOUT: Final = "backup.json"
"""The first member: what the backup is."""
SUMS: Final = "SHA256SUMS"
"""The last one."""

FORMAT_VERSION: Final = 1

_LEVEL: Final = 1
_STORED: Final = 0
"""Pictures and models are packed already; to try again takes ten times as long for nothing."""
_CHUNK_BYTES: Final = 1 << 20
_ABOUT_BYTES: Final = 1 << 16


class Archive:
    """A backup that is being written."""

    def __init__(self, tar: tarfile.TarFile, packed: _Packed, sums: IO[bytes]) -> None:
        self._tar = tar
        self._packed = packed
        self._sums = sums

    def pack_no_more(self) -> None:
        """Store what comes from now on as it is, as it is packed already."""
        self._packed.change_level(_STORED)

    def add(self, name: str, file: BinaryIO) -> None:
        """Add a file, from its beginning and with the size that it has now.

        Raises:
            OSError: the file or the disk fails, or somebody has made the file shorter.
        """
        found, info = os.fstat(file.fileno()), tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = found.st_size, found.st_mode & 0o777, int(found.st_mtime)
        file.seek(0)
        body = _Hashed(file)
        self._tar.addfile(info, cast("IO[bytes]", body))
        _forget_members(self._tar)
        self._sums.write(_sum_line(body.digest, name))

    def _end(self) -> None:
        info = tarfile.TarInfo(SUMS)
        info.size, info.mode = self._sums.tell(), 0o600
        self._sums.seek(0)
        self._tar.addfile(info, self._sums)


@contextlib.contextmanager
def new_archive(file: Path, about: Mapping[str, object]) -> Iterator[Archive]:
    """A backup beside `file`, for this user alone; becomes `file` at the end, vanishes on an error.

    Args:
        file: must not exist.
        about: what the backup is.

    Raises:
        ConfigurationError: the file exists.
        OSError: the folder or the disk does not take it.
    """
    if file.exists():
        raise ConfigurationError(f"{file} exists, and no backup is written over; name another file")
    with (
        unfinished_file(file) as unfinished,
        open(unfinished, "xb", opener=private_file) as stream,
        tempfile.TemporaryFile(dir=file.parent) as sums,
    ):
        with (
            contextlib.closing(_Packed(stream)) as packed,
            tarfile.open(
                fileobj=cast("IO[bytes]", packed), mode="w|", format=tarfile.PAX_FORMAT
            ) as tar,
        ):
            archive = Archive(tar, packed, sums)
            _add_about(archive, file.parent, about)
            yield archive
            archive._end()
        stream.flush()
        os.fsync(stream.fileno())


def _add_about(archive: Archive, folder: Path, about: Mapping[str, object]) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(json.dumps({"format_version": FORMAT_VERSION, **about}, indent=1).encode())
        file.flush()
        archive.add(ABOUT, cast("BinaryIO", file))


def members_of(file: Path, stream: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Each member of a backup with its content, `backup.json` first; all are checked on the way.

    What is not read of a content is passed over.

    Args:
        file: its name, for errors.
        stream: its content, from the beginning.

    Raises:
        ConfigurationError: it is no backup, or it is damaged or not whole.
    """
    with (
        _readable(file),
        gzip.GzipFile(fileobj=stream, mode="rb") as packed,
        tarfile.open(fileobj=packed, mode="r|") as tar,
        tempfile.TemporaryFile() as sums,
    ):
        while (info := tar.next()) is not None:
            _forget_members(tar)
            content = tar.extractfile(info) if info.isreg() else None
            if content is None:
                raise ConfigurationError(
                    f"{file} has {info.name!r}, which is no file: it is no backup of Takt"
                )
            if info.name == SUMS:
                _check_sums(file, content, sums)
                while packed.read(_CHUNK_BYTES):  # gzip's own check is at the end
                    pass
                return
            body = _Hashed(content)
            yield info, cast("IO[bytes]", body)
            while body.read(_CHUNK_BYTES):
                pass
            sums.write(_sum_line(body.digest, info.name))
        raise ConfigurationError(f"{file} is not whole: its end is missing; take another backup")


def about_of(file: Path, member: tarfile.TarInfo, content: IO[bytes]) -> dict[str, object]:
    """What a backup says of itself in its first member.

    Raises:
        ConfigurationError: it is no backup, or one of a later release.
    """
    about: object = None
    if member.name == ABOUT and member.size <= _ABOUT_BYTES:
        with contextlib.suppress(ValueError):
            about = json.loads(content.read())
    if not isinstance(about, dict) or "format_version" not in about:
        raise ConfigurationError(f"{file} is no backup that `takt backup` has written")
    if about["format_version"] != FORMAT_VERSION:
        raise ConfigurationError(
            f"{file} is a backup of another form ({about['format_version']}), by Takt "
            f"{about.get('takt')}; restore it by that release"
        )
    return about


class _Packed:
    """A gzip file of parts, each packed as much as is worth it; all tools read it as one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._part = gzip.GzipFile("", "wb", _LEVEL, stream)

    def write(self, data: bytes) -> int:
        return self._part.write(data)

    def change_level(self, level: int) -> None:
        self._part.close()
        self._part = gzip.GzipFile("", "wb", level, self._stream)

    def close(self) -> None:
        self._part.close()


class _Hashed:
    """A file that is read once, and the SHA-256 of what was read."""

    def __init__(self, file: BinaryIO | IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data


def _forget_members(tar: tarfile.TarFile) -> None:
    """Free what tarfile keeps of each member."""
    tar.members = []  # type: ignore[attr-defined]


def _sum_line(digest: str, name: str) -> bytes:
    return f"{digest}  {name}\n".encode()


def _check_sums(file: Path, told: IO[bytes], found: IO[bytes]) -> None:
    """Compare line by line, so that neither has to be in memory."""
    found.seek(0)
    for line in found:
        if told.readline(len(line) + 1) != line:
            name = line.decode()[66:].rstrip("\n")
            raise ConfigurationError(
                f"{file} is damaged: {name} is not what was backed up; take another backup"
            )
    if told.read(1):
        raise ConfigurationError(f"{file} is not whole: members are missing; take another backup")


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ConfigurationError(
            f"{file} is no backup, or damaged ({error}); take another backup"
        ) from error
