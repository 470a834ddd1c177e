"""Who came by a credential, whichever kind it is."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence

from takt.core.errors import UnauthenticatedError
from takt.security.caller import Authenticator, Caller

_MOST_REMEMBERED = 1024
"""Most callers that are remembered; many come by tokens that are each used for minutes."""


class Credentials:
    """Asks each authenticator who sent a credential, and remembers who did.

    The credential itself is not kept, but its digest under a key of this process.

    Args:
        authenticators: each knows one kind of credential.
        clock: gives Unix time in seconds.
    """

    def __init__(
        self, authenticators: Sequence[Authenticator], clock: Callable[[], float] = time.time
    ) -> None:
        self._authenticators = tuple(authenticators)
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, Caller] = {}

    def __bool__(self) -> bool:
        """Whether callers are told apart at all."""
        return bool(self._authenticators)

    def identify(self, credential: bytes) -> Caller:
        """The caller who sent `Authorization: Bearer <credential>`.

        Raises:
            UnauthenticatedError: nobody is known by it, or not any more.
            CallerPendingError: that is being found out.
        """
        digest = hashlib.blake2b(credential, key=self._secret, digest_size=32).digest()
        known = self._known.get(digest)
        if known is not None and known.expires_s > self._clock():
            return known
        for authenticator in self._authenticators:
            caller = authenticator.identify(credential)
            if caller is not None:
                if len(self._known) == _MOST_REMEMBERED:
                    self._known.clear()
                self._known[digest] = caller
                return caller
        raise UnauthenticatedError(
            "this key is not known here, or no longer; ask whoever runs the server for another"
        )

    def stands(self, caller: Caller) -> bool:
        """Whether a caller would be identified still."""
        return caller.expires_s > self._clock() and any(
            [authenticator.stands(caller) for authenticator in self._authenticators]
        )

    def forget(self) -> None:
        """Ask again from now on; to be called whenever an authenticator's answers change."""
        self._known.clear()
