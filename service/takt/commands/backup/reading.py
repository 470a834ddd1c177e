"""Reads the file of a backup: what `archive.py` writes, and nothing else that a tar may have.

Whoever could write to the place where a backup lay may have changed it. So a member is a file with
a name of our own, heads have bounds, and nothing takes memory that grows with what a head says.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, BinaryIO, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from takt.commands.backup.archive import ABOUT, FORMAT_VERSION, SUMS, signed_text, sum_line
from takt.core.bundles.signing.signature import SIGNATURE, BundleSignature, TrustedKeys
from takt.core.errors import ConfigurationError

_CHUNK_BYTES: Final = 1 << 20
_SMALL_BYTES: Final = 1 << 16
"""Most of `backup.json` and of a signature."""
_EXTENDED_BYTES: Final = 1 << 13
"""Most of an extended head: a path, a size and a time."""
_END_BYTES: Final = 2 * tarfile.RECORDSIZE
_WORD: Final = r"^[\w.:+-]{1,64}$"


@dataclass(frozen=True, slots=True)
class BackupMember:
    """A file in a backup, as its head tells of it."""

    name: str
    size: int
    mode: int
    mtime: float


class AboutBackup(BaseModel):
    """What a backup says of itself in its first member."""

    format_version: Literal[1]
    takt: Annotated[str, Field(pattern=_WORD)]
    made_at: Annotated[str, Field(pattern=_WORD)]
    record: Literal["sqlite", "postgresql", "none"]


class _Form(BaseModel):
    """Of any release."""

    format_version: int
    takt: Annotated[str, Field(pattern=_WORD)] = "another release"


class WrittenArchive:
    """A backup that was written.

    Args:
        file: its name, for errors.
        stream: its content.

    Attributes:
        digest: SHA-256 of the list of all digests, once all members were read.
        signature: of that, once all members were read; None where nobody has signed it.
    """

    def __init__(self, file: Path, stream: BinaryIO) -> None:
        self.file = file
        self.digest = ""
        self.signature: bytes | None = None
        self._stream = stream

    def members(self) -> Iterator[tuple[BackupMember, IO[bytes]]]:
        """Each member with its content, `backup.json` first; all are checked on the way.

        What is not read of a content is passed over.

        Raises:
            ConfigurationError: it is no backup, or it is damaged or not whole.
        """
        self._stream.seek(0)
        with (
            _readable(self.file),
            gzip.GzipFile(fileobj=self._stream, mode="rb") as packed,
            tempfile.TemporaryFile() as sums,
        ):
            tar = _Tar(_Unpacked(self.file, packed))
            while (found := tar.next()) is not None:
                member, content = found
                if member.name == SUMS:
                    self._check_sums(content, sums)
                    self._read_end(tar)
                    return
                yield member, content  # type: ignore[misc]
                tar.skip()
                sums.write(sum_line(content.digest, member.name))
            raise ConfigurationError(
                f"{self.file} is not whole: its end is missing; take another backup"
            )

    def signer(self, trusted: Path | None) -> str | None:
        """The name of the key that has signed it, once all members were read.

        Args:
            trusted: keys of which one must have signed it; None to take what it says of itself.

        Returns:
            None where nobody has.

        Raises:
            TaktError: it is not signed, or by no trusted key, or was changed.
        """
        keys = TrustedKeys(trusted) if trusted else None
        if self.signature is None:
            if keys is None:
                return None
            raise ConfigurationError(
                f"{self.file} is not signed, and only a backup that a trusted key has signed is "
                f"restored ({', '.join(keys.names())}); `takt backup --sign-key` signs one"
            )
        remedy = "take another backup"
        place = self.file / SIGNATURE
        found = BundleSignature.checked(self.signature, place, ConfigurationError, remedy)
        if keys is None:
            return found.key_id
        return keys.check(found, signed_text(self.digest), self.file, SUMS, remedy)

    def _check_sums(self, told: _Content, found: IO[bytes]) -> None:
        """Compare line by line, so that neither has to be in memory."""
        found.seek(0)
        for line in found:
            if told.read(len(line)) != line:
                name = line.decode()[66:].rstrip("\n")
                raise ConfigurationError(
                    f"{self.file} is damaged: {name} is not what was backed up; take another backup"
                )
        if told.read(1):
            raise ConfigurationError(
                f"{self.file} is not whole: members are missing; take another backup"
            )
        self.digest = told.digest

    def _read_end(self, tar: _Tar) -> None:
        """Read a signature, if there is one, and see that nothing else follows."""
        if (found := tar.next()) is not None:
            member, content = found
            if member.name != SIGNATURE or member.size > _SMALL_BYTES:
                raise tarfile.ReadError(f"{member.name!r} follows its end")
            self.signature = content.read()
        if (found is not None and tar.next() is not None) or not tar.ends():
            raise tarfile.ReadError("something follows its end")


def about_of(file: Path, member: BackupMember, content: IO[bytes]) -> AboutBackup:
    """What a backup says of itself in its first member.

    Raises:
        ConfigurationError: it is no backup, or one of a later release.
    """
    try:
        if member.name != ABOUT or member.size > _SMALL_BYTES:
            raise ValueError
        said = content.read()
        form = _Form.model_validate_json(said)
        if form.format_version != FORMAT_VERSION:
            raise ConfigurationError(
                f"{file} is a backup of another form ({form.format_version}), by Takt "
                f"{form.takt}; restore it by that release"
            )
        return AboutBackup.model_validate_json(said)
    except (ValidationError, ValueError):
        raise ConfigurationError(f"{file} is no backup that `takt backup` has written") from None


class _Unpacked:
    """The bytes of the tar; whoever reads a content meets errors of ours, too."""

    def __init__(self, file: Path, packed: gzip.GzipFile) -> None:
        self._file = file
        self._packed = packed

    def read(self, size: int) -> bytes:
        with _readable(self._file):
            return self._packed.read(size) if size else b""

    def exactly(self, size: int) -> bytes:
        data = self.read(size)
        if len(data) < size:
            raise _damaged(self._file, "it ends too early")
        return data


class _Content:
    """The content of a member, which is read once, and the SHA-256 of what was read."""

    def __init__(self, packed: _Unpacked, size: int) -> None:
        self._packed = packed
        self._left = size
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._packed.exactly(wanted)
        self._left -= wanted
        self._hash.update(data)
        return data


class _Tar:
    """The members of a tar, one after another."""

    def __init__(self, packed: _Unpacked) -> None:
        self._packed = packed
        self._content = _Content(packed, 0)
        self._padding = 0

    def next(self) -> tuple[BackupMember, _Content] | None:
        """The next member; None at the end."""
        self.skip()
        if (head := self._head()) is None:
            return None
        further: dict[str, str] = {}
        if head.type == tarfile.XHDTYPE:
            if head.size > _EXTENDED_BYTES:
                raise tarfile.ReadError(f"an extended head of {head.size} bytes")
            further = _extended(self._packed.exactly(head.size + _padding(head.size))[: head.size])
            if (head := self._head()) is None:
                raise tarfile.ReadError("an extended head of nothing")
        size, name = int(further.get("size", head.size)), further.get("path", head.name)
        if head.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or size < 0:
            raise tarfile.ReadError(f"{name[:100]!r} is no file")
        self._content, self._padding = _Content(self._packed, size), _padding(size)
        return BackupMember(
            name, size, head.mode, float(further.get("mtime", head.mtime))
        ), self._content

    def skip(self) -> None:
        """Read the rest of the member, so that its digest is right."""
        while self._content.read(_CHUNK_BYTES):
            pass
        self._packed.exactly(self._padding)
        self._padding = 0

    def ends(self) -> bool:
        """Whether nothing but zeros follows, and not many; gzip checks itself by that, too."""
        rest = self._packed.read(_END_BYTES)
        return len(rest) < _END_BYTES and not rest.strip(b"\0")

    def _head(self) -> tarfile.TarInfo | None:
        block = self._packed.exactly(tarfile.BLOCKSIZE)
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict") if any(block) else None


def _extended(data: bytes) -> dict[str, str]:
    r"""The records of an extended head of PAX.

    >>> _extended(b"12 path=abc\n")
    {'path': 'abc'}
    """
    found = {}
    while data:
        told = data.partition(b" ")[0]
        size = int(told) if len(told) < 6 and told.isdigit() else 0
        key, is_set, value = data[len(told) + 1 : size].decode().partition("=")
        if not (is_set and value.endswith("\n") and key in ("path", "size", "mtime")):
            raise tarfile.ReadError("an extended head that no backup has")
        found[key], data = value[:-1], data[size:]
    return found


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    # Numbers and texts that are none are of ValueError, too.
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        raise _damaged(file, str(error)) from error


def _damaged(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"{file} is no backup, or damaged ({why}); take another backup")
