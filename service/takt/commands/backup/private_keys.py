"""Private keys are told by their content, as they may have any name."""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key

_PEM: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----")
_LONGEST_MARK: Final = 80
_KEY_BAG: Final = bytes.fromhex("2a864886f70d010c0a01")
"""What a key store of PKCS #12 names its entries by."""

_CHUNK_BYTES: Final = 1 << 20
_DER_BYTES: Final = 1 << 16
"""No key in DER is larger."""


def holds_private_key(stream: BinaryIO) -> bool:
    r"""Whether a file is or has a private key, encrypted or not; all of it is read.

    >>> import io
    >>> holds_private_key(io.BytesIO(b"version = 1\n"))
    False
    """
    stream.seek(0)
    first = tail = stream.read(_CHUNK_BYTES)
    if len(first) <= _DER_BYTES and (_KEY_BAG in first or _is_der(first)):
        return True
    found = _PEM.search(first)
    while not found and (chunk := stream.read(_CHUNK_BYTES)):
        tail = tail[-_LONGEST_MARK:] + chunk
        found = _PEM.search(tail)
    return found is not None


def _is_der(data: bytes) -> bool:
    # All of them are a sequence, and whatever else begins so is rare enough to be parsed.
    if not data.startswith(b"\x30"):
        return False
    try:
        load_der_private_key(data, None)
    except TypeError:  # it asks for a passphrase
        return True
    except UnsupportedAlgorithm:  # a key of a kind that is not known here
        return True
    except ValueError:
        return False
    return True
