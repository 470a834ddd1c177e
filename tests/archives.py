"""Backups that somebody has changed, with digests that fit what is in them then."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

Member = tuple[tarfile.TarInfo, bytes]
Change = Callable[[tarfile.TarInfo, bytes], bytes | None]

SUMS = "SHA256SUMS"


def members_in(file: Path) -> list[Member]:
    """What a backup has, but for its digests and what follows them."""
    found = []
    with tarfile.open(file) as tar:
        for info in tar:
            if info.name == SUMS:
                break
            taken = tar.extractfile(info)
            found.append((info, taken.read() if taken else b""))
    return found


def write_archive(file: Path, members: Iterable[Member], after: Iterable[Member] = ()) -> None:
    """Write a backup of any members, whose digests are right, and what is to follow the digests."""
    members = list(members)
    told = "".join(f"{hashlib.sha256(data).hexdigest()}  {info.name}\n" for info, data in members)
    sums = told.encode(errors="surrogateescape")
    with (
        gzip.open(file, "wb", 1) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for info, data in (*members, (tarfile.TarInfo(SUMS), sums), *after):
            if info.isreg():
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def change(file: Path, how: Change) -> None:
    """Change each member of a backup: its head in place, its content by what comes back.

    Args:
        file: the backup.
        how: None leaves the member out.
    """
    found = ((info, how(info, data)) for info, data in members_in(file))
    write_archive(file, [(info, data) for info, data in found if data is not None])


def replace(file: Path, name: str, data: bytes | None) -> None:
    """Give a member another content; None takes it out."""
    change(file, lambda info, old: data if info.name == name else old)


def add(file: Path, *names: str, data: bytes = b"added") -> None:
    """Add files at the end."""
    write_archive(file, [*members_in(file), *((tarfile.TarInfo(name), data) for name in names)])


def raw_tar(file: Path) -> bytes:
    """The tar in a backup, unpacked."""
    return gzip.decompress(file.read_bytes())


def blocks(data: bytes) -> Iterator[bytes]:
    """The blocks of a tar."""
    return (data[at : at + 512] for at in range(0, len(data), 512))


def header(name: bytes, size: int, kind: bytes = b"0", mtime: bytes = b"0" * 11) -> bytes:
    """A block at the head of a member, with the check sum that fits."""
    fields = (
        name.ljust(100, b"\0"), b"0000600\0", b"0000000\0", b"0000000\0",
        b"%011o\0" % size, mtime.ljust(12, b"\0"), b" " * 8, kind, b"\0" * 100, b"ustar\x0000",
    )  # fmt: skip
    block = b"".join(fields).ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
