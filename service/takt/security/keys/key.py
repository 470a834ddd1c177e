"""One API key: a secret that is shown once, and what is kept of it."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from takt.security.caller import OF_KEY, Caller, Scope, is_reserved

PREFIX = "takt_"
"""Beginning of each key, by which scanners for lost secrets find it."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key.

    Attributes:
        name: who or what it was made for; unique.
        digest: SHA-256 of the whole key, 32 bytes.
        scopes: what its owner may do.
        created: when it was made, if that is known.
        expires: from when on it is refused; None for never.
    """

    name: str
    digest: bytes
    scopes: frozenset[Scope]
    created: datetime | None = None
    expires: datetime | None = None

    @property
    def caller(self) -> Caller:
        """Who comes by this key."""
        expires_s = math.inf if self.expires is None else self.expires.timestamp()
        name = f"{OF_KEY}{self.name}" if is_reserved(self.name) else self.name
        return Caller(name, self.scopes, self.digest, expires_s)


def digest_of(secret: bytes) -> bytes:
    """SHA-256 of a whole key.

    A plain digest is right here, and a slow one for passwords is not: a key is 256 random bits
    that we draw, so nobody finds it by trying, however quick a try is; and every request needs it.
    """
    return hashlib.sha256(secret).digest()


def new_key(
    name: str, scopes: frozenset[Scope], expires: datetime | None = None
) -> tuple[Key, str]:
    """Draw a key; what is kept of it, and the secret, which is not.

    >>> key, secret = new_key("line3", frozenset({"inspect"}))
    >>> key.digest == digest_of(secret.encode()), len(secret)
    (True, 48)
    """
    secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    created = datetime.now(UTC).replace(microsecond=0)
    return Key(name, digest_of(secret.encode()), scopes, created, expires), secret
