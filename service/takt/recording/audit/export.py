"""The audit log as a file that is signed: for whoever has neither the database nor its server.

Each line but the last is an entry, as a JSON object of every column. The last line is the seal:
what the file has, signed by an Ed25519 key.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, TypeAdapter

from takt.core.bundles.signing.keys import KEY_ID_DIGITS, key_id
from takt.core.bundles.strict_model import StrictModel
from takt.core.errors import ConfigurationError
from takt.recording.audit.entry import Entry, Head
from takt.recording.audit.verify import ChainCheck, check_chain

_Hash = r"^[0-9a-f]{64}$"
_ENTRY = TypeAdapter(Entry)


class SealStatement(StrictModel):
    """What a signed file has."""

    format_version: Literal[1] = 1

    count: int = Field(ge=1)
    """Entries of the file, from the first one of the chain on."""

    first_hash: str = Field(pattern=_Hash)
    last_hash: str = Field(pattern=_Hash)
    exported_at: str
    """UTC, ISO 8601."""

    def signed_bytes(self) -> bytes:
        """What the signature covers: the JSON with its keys in order, without spaces, in ASCII."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":")).encode("ascii")


class Seal(StrictModel):
    """The last line of a signed file."""

    seal: SealStatement
    algorithm: Literal["ed25519"] = "ed25519"
    key_id: str = Field(pattern=rf"^[0-9a-f]{{{KEY_ID_DIGITS}}}$")
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


def write_export(
    entries: Iterable[Entry], file: Path, key: Ed25519PrivateKey, heads: Sequence[Head] = ()
) -> ChainCheck:
    """Write a signed file of a whole chain; the file is there whole or not at all.

    Args:
        entries: of the chain, from the first one on.
        file: to write; one that is there is replaced.
        key: that signs.
        heads: that the chain must have, as `ChainCheck` says.

    Returns:
        What was found of the chain. A chain that is not whole is not signed, and no file written.

    Raises:
        ConfigurationError: the chain has no entry.
        OSError: the file cannot be written.
    """
    check = ChainCheck(heads)
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        with unfinished.open("w", encoding="ascii") as lines:
            for entry in check.through(entries):
                lines.write(_line_of(entry))
            if check.findings:
                return check
            if not check.count:
                raise ConfigurationError("the audit log has no entry yet; there is nothing to sign")
            statement = SealStatement(
                count=check.count,
                first_hash=check.first_hash,
                last_hash=check.head.hash,
                exported_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            seal = Seal(
                seal=statement,
                key_id=key_id(key.public_key()),
                signature=key.sign(statement.signed_bytes()).hex(),
            )
            lines.write(seal.model_dump_json() + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    return check


def check_export(
    file: Path, keys: Mapping[str, Ed25519PublicKey], heads: Sequence[Head] = ()
) -> tuple[ChainCheck, Seal]:
    """Check a signed file: its signature, and each entry.

    Args:
        file: as `write_export` writes it.
        keys: that are trusted, by their names.
        heads: that the chain must have, as `ChainCheck` says.

    Raises:
        ConfigurationError: it is no such file, no trusted key has signed it, or it is not what was
            signed.
        OSError: it cannot be read.
    """
    seals: list[Seal] = []
    check = check_chain(_entries_of(file, seals), heads)
    if not seals:
        raise ConfigurationError(f"{file} has no seal: its end is missing")
    seal = seals[0]
    if seal.key_id not in keys:
        raise ConfigurationError(
            f"{file} is signed by the key {seal.key_id}, which is not among {', '.join(keys)}"
        )
    try:
        keys[seal.key_id].verify(bytes.fromhex(seal.signature), seal.seal.signed_bytes())
    except InvalidSignature:
        raise ConfigurationError(
            f"{file}: the seal is not what the key {seal.key_id} has signed"
        ) from None
    said = (seal.seal.count, seal.seal.first_hash, seal.seal.last_hash)
    if not check.findings and said != (check.count, check.first_hash, check.head.hash):
        raise ConfigurationError(
            f"{file} has {check.count} entries up to {check.head}, but {seal.seal.count} up to "
            f"{seal.seal.last_hash} were signed"
        )
    return check, seal


def _entries_of(file: Path, seals: list[Seal]) -> Iterator[Entry]:
    """The entries of a file; its seal is put into `seals`."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if seals:
                raise ConfigurationError(f"{file} goes on after its seal, in line {number}")
            try:
                if line.startswith(b'{"seal":'):
                    seals.append(Seal.model_validate_json(line))
                    continue
                entry = _ENTRY.validate_json(line, strict=True)
                if _line_of(entry).encode("ascii") != line:
                    raise ValueError("it was written by somebody else")
            except ValueError:
                raise ConfigurationError(
                    f"{file} is no signed audit log: line {number} is neither entry nor seal"
                ) from None
            yield entry


def _line_of(entry: Entry) -> str:
    return json.dumps(asdict(entry), separators=(",", ":")) + "\n"
