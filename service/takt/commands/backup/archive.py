"""The file of a backup: a tar, packed by gzip, whose last member has the SHA-256 of all others.

Where somebody vouches for it, a signature of that one follows. Other tools read it, too:
`tar -xzf FILE`, then `sha256sum -c SHA256SUMS`. Nothing here needs memory that grows with the
number or the size of its members. `reading.py` reads it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast

from takt.core.bundles.files import private_file, unfinished_file
from takt.core.bundles.signing.signature import SIGNATURE, signature_of
from takt.core.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ABOUT: Final = "backup.json"
"""The first member: what the backup is."""
SUMS: Final = "SHA256SUMS"
"""The last one, but for a signature of it."""

FORMAT_VERSION: Final = 1

_LEVEL: Final = 1
_STORED: Final = 0
"""Pictures and models are packed already; to try again takes ten times as long for nothing."""
_CHUNK_BYTES: Final = 1 << 20


class Archive:
    """A backup that is being written."""

    def __init__(
        self, tar: tarfile.TarFile, packed: _Packed, sums: IO[bytes], key: Ed25519PrivateKey | None
    ) -> None:
        self._tar = tar
        self._packed = packed
        self._sums = sums
        self._digest = hashlib.sha256()
        self._key = key

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
        line = sum_line(body.digest, name)
        self._sums.write(line)
        self._digest.update(line)

    def _end(self) -> None:
        self._add_last(SUMS, self._sums)
        if self._key is not None:
            signature = signature_of(signed_text(self._digest.hexdigest()), self._key)
            self._add_last(SIGNATURE, io.BytesIO(signature.json_bytes()))

    def _add_last(self, name: str, content: IO[bytes]) -> None:
        """Add what the list of all digests has not."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = content.seek(0, os.SEEK_END), 0o600
        content.seek(0)
        self._tar.addfile(info, content)


@contextlib.contextmanager
def new_archive(
    file: Path, about: Mapping[str, object], key: Ed25519PrivateKey | None = None
) -> Iterator[Archive]:
    """A backup beside `file`, for this user alone; becomes `file` at the end, vanishes on an error.

    Args:
        file: must not exist.
        about: what the backup is.
        key: signs it; it is not signed if None.

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
            archive = Archive(tar, packed, sums, key)
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


def signed_text(digest: str) -> bytes:
    """What a signature of a backup is over: no bundle has such a manifest.

    Args:
        digest: SHA-256 of the list of all digests.
    """
    return f"backup of Takt, SHA256SUMS {digest}\n".encode()


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


def sum_line(digest: str, name: str) -> bytes:
    """A line of the list of all digests."""
    return f"{digest}  {name}\n".encode()
