"""Keys and signatures for tests."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

OURS = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NEXT = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
FOREIGN = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))


def public_pem(*keys: Ed25519PrivateKey) -> bytes:
    """The public halves of keys, one PEM block after another."""
    return b"".join(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for key in keys
    )


def private_pem(key: Ed25519PrivateKey, passphrase: bytes | None = None) -> bytes:
    """A key as it signs, in a PEM block."""
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def trusted(folder: Path, *keys: Ed25519PrivateKey) -> Path:
    """A file that trusts keys."""
    folder.mkdir(exist_ok=True, parents=True)
    place = folder / "trusted.pem"
    place.write_bytes(public_pem(*keys))
    return place


def flipped(content: bytes, bit: int) -> bytes:
    """Content with one bit turned over."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
