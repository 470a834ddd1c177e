"""The keys of a server, and who comes by which."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from takt.core.errors import UnauthenticatedError
from takt.security.caller import Caller
from takt.security.keys.key import Key, digest_of

Compare = Callable[[bytes, bytes], bool]


class KeyRing:
    """Finds the caller of a key; an `Authenticator`.

    What came is compared as a digest, in constant time, with every key. So the time that it takes
    tells neither how much of a wrong key is right nor which key a right one is.

    >>> from takt.security.keys.key import new_key
    >>> key, secret = new_key("line3", frozenset({"inspect"}))
    >>> ring = KeyRing([key])
    >>> ring.identify(secret.encode()).name
    'line3'
    >>> ring.identify(b"takt_wrong") is None
    True

    Args:
        keys: the keys.
        compare: whether two digests are equal, in constant time.
        clock: gives Unix time in seconds.

    Attributes:
        keys: the keys of now.
    """

    def __init__(
        self,
        keys: Iterable[Key] = (),
        compare: Compare = hmac.compare_digest,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._compare = compare
        self._clock = clock
        self.keys: tuple[Key, ...] = ()
        self._callers: tuple[Caller, ...] = ()
        self._standing: frozenset[Caller] = frozenset()
        self.replace(keys)

    def replace(self, keys: Iterable[Key]) -> None:
        """Exchange all keys."""
        self.keys = tuple(keys)
        self._callers = tuple(key.caller for key in self.keys)
        self._standing = frozenset(self._callers)

    def identify(self, credential: bytes) -> Caller | None:
        """The caller who sent a key; None if there is no such key.

        Raises:
            UnauthenticatedError: the key has expired.
        """
        digest = digest_of(credential)
        found = None
        for caller in self._callers:
            # No end at the first hit, whose place would show.
            if self._compare(caller.credential, digest):
                found = caller
        if found is not None and found.expires_s <= self._clock():
            when = datetime.fromtimestamp(found.expires_s, UTC).isoformat()
            raise UnauthenticatedError(
                f"the key {found.name} expired at {when}; ask whoever runs the server for another"
            )
        return found

    def stands(self, caller: Caller) -> bool:
        """Whether the key by which a caller came is there, and as it was."""
        return caller in self._standing
