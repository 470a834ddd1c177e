"""Signatures of Standard Webhooks: the receiver knows by them who posts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from takt.core.errors import ConfigurationError

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Of a secret, as the specification has it."""


def parse_secret(text: str, where: str) -> bytes:
    """The key of a secret.

    >>> len(parse_secret("whsec_" + "AAAA" * 8, "here"))
    24

    Args:
        text: `whsec_` and 24 to 64 bytes in base64.
        where: it stands, for the error, which does not show it.

    Raises:
        ConfigurationError: it is no secret.
    """
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ConfigurationError(
            f"{where} is no secret; write {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in "
            f'base64, as `echo "{PREFIX}$(openssl rand -base64 32)"` makes it'
        )
    return key


def signed_headers(
    message_id: str, at_s: int, body: bytes, keys: Sequence[bytes]
) -> dict[str, str]:
    """The headers that tell what is posted, when, and by whom: a signature for each key.

    Args:
        message_id: tells the message from others, and is the same in each attempt.
        at_s: time of the attempt, in Unix time.
        body: what is posted.
        keys: of the secrets that the receiver may know it by.
    """
    signed = f"{message_id}.{at_s}.".encode() + body
    signatures = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
    }
