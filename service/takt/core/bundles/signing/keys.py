"""Ed25519 keys in PEM files, as `openssl genpkey -algorithm ed25519` writes them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from takt.core.bundles.reading import read_file
from takt.core.errors import ConfigurationError

KEY_ID_DIGITS = 16

_PEM_BYTES = 1 << 16
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_MAKE = "`openssl genpkey -algorithm ed25519` makes a key, `openssl pkey -pubout` its public half"


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a key: the first 16 hexadecimal digits of the SHA-256 of its public half in DER.

    >>> from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    >>> key_id(Ed25519PublicKey.from_public_bytes(bytes(32)))
    '722abd12e99a5367'
    """
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:KEY_ID_DIGITS]


def read_private_key(file: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Reads the key that signs.

    Args:
        file: in PEM.
        passphrase: of an encrypted file.

    Raises:
        ConfigurationError: the file is missing, or holds no such key, or another passphrase
            encrypts it.
    """
    try:
        key = load_pem_private_key(_content(file), passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise ConfigurationError(f"{file} is no private key in PEM ({why}); {_MAKE}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{file} is a private key, but none of Ed25519; {_MAKE}")
    return key


def is_encrypted(file: Path) -> bool:
    """Whether a private key asks for a passphrase.

    Raises:
        ConfigurationError: the file is missing or cannot be read.
    """
    return b"ENCRYPTED" in _content(file)


def read_public_keys(place: Path) -> dict[str, Ed25519PublicKey]:
    """Reads the keys that are trusted, by their names.

    Args:
        place: a PEM file, or a folder of them (`*.pem`); each may hold several keys.

    Raises:
        ConfigurationError: there is no key, or a file holds something else.
    """
    if place.is_dir():
        files = sorted(one for one in place.glob("*.pem") if not one.name.startswith("."))
        if not files:
            raise ConfigurationError(f"the folder {place} holds no key: no file ends with .pem")
    else:
        files = [place]
    keys = [key for file in files for key in _public_keys(file)]
    return {key_id(key): key for key in keys}


def _public_keys(file: Path) -> list[Ed25519PublicKey]:
    blocks = list(_PEM.finditer(_content(file)))
    if not blocks:
        raise ConfigurationError(f"{file} holds no key in PEM; {_MAKE}")
    return [_public_key(file, block.group(), block.group(1)) for block in blocks]


def _public_key(file: Path, block: bytes, kind: bytes) -> Ed25519PublicKey:
    if b"PRIVATE" in kind:
        raise ConfigurationError(
            f"{file} holds a private key, which is for those who sign and for nobody else; give "
            "its public half, from `openssl pkey -pubout`"
        )
    try:
        key = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise ConfigurationError(f"{file} is no public key in PEM ({why}); {_MAKE}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{file} holds a public key, but none of Ed25519; {_MAKE}")
    return key


def _content(file: Path) -> bytes:
    try:
        # Keys may lie behind links anywhere: whoever names them runs the server.
        return read_file(file, (Path("/"),), _PEM_BYTES, ConfigurationError)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no key {file}; {_MAKE}") from None
