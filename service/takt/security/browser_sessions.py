"""Sessions of browsers: a cookie in place of a key, which their WebSockets cannot send."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from takt.core.errors import UnauthenticatedError
from takt.security.caller import Caller

COOKIE = "takt_session"

LASTS_S = 8 * 3600
"""Length of a session: a shift. Whoever can send the key begins another one."""

_MOST_OF_CALLER = 256
"""Most sessions of a caller; a key may be that of all browsers of a plant."""

_MOST_SESSIONS = 4096
"""Most sessions of all callers."""


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A session that has begun.

    Attributes:
        caller: as whom it counts; its credential is the token's digest.
        by: who began it.
    """

    caller: Caller
    by: Caller


class BrowserSessions:
    """Sessions of callers, in memory: they end with the process, and with their key.

    They are kept here rather than signed and given away, so that one that is ended is ended.

    >>> sessions = BrowserSessions(stands=lambda caller: True)
    >>> token, caller = sessions.begin(Caller("ann", frozenset({"read"})))
    >>> sessions.identify(token.encode()) == caller, caller.name
    (True, 'ann')
    >>> sessions.end(caller.credential)
    >>> sessions.identify(token.encode()) is None
    True

    Args:
        stands: whether the caller who began a session would be identified still.
        clock: gives Unix time in seconds.
    """

    def __init__(
        self, stands: Callable[[Caller], bool], clock: Callable[[], float] = time.time
    ) -> None:
        self._stands = stands
        self._clock = clock
        # By the token's digest; the oldest first.
        self._open: dict[bytes, BrowserSession] = {}

    def __iter__(self) -> Iterator[BrowserSession]:
        """Those that are open, the oldest first."""
        return iter([one for one in self._open.values() if self._is_good(one)])

    def begin(self, by: Caller) -> tuple[str, Caller]:
        """Begin a session of a caller; gives its token, and the caller as whom it counts.

        Raises:
            UnauthenticatedError: the caller came by a session.
        """
        if by.credential in self._open:
            raise UnauthenticatedError("a session begins with a key, not with another session")
        token = secrets.token_urlsafe(32)
        digest = _digest(token.encode())
        expires_s = min(by.expires_s, self._clock() + LASTS_S)
        caller = replace(by, credential=digest, expires_s=expires_s)
        self.adopt(BrowserSession(caller, by))
        return token, caller

    def adopt(self, session: BrowserSession) -> None:
        """Take a session that has begun; where there are too many, the caller's oldest makes room.

        Where all callers together have too many, the oldest goes of the caller who has most.
        """
        self._open = {digest: one for digest, one in self._open.items() if self._is_good(one)}
        self._open[session.caller.credential] = session
        counts = Counter(one.by.name for one in self._open.values())
        if counts[session.by.name] > _MOST_OF_CALLER:
            self._end_oldest(session.by.name)
        elif len(self._open) > _MOST_SESSIONS:
            self._end_oldest(counts.most_common(1)[0][0])

    def _end_oldest(self, name: str) -> None:
        """End the oldest session of a caller, who may have come by several tokens."""
        digest = next(digest for digest, one in self._open.items() if one.by.name == name)
        del self._open[digest]

    def identify(self, token: bytes) -> Caller | None:
        """The caller of a session; None if there is none, or no longer."""
        session = self._open.get(_digest(token))
        return session.caller if session is not None and self._is_good(session) else None

    def stands(self, caller: Caller) -> bool:
        """Whether a caller's session is open still."""
        session = self._open.get(caller.credential)
        return session is not None and self._is_good(session)

    def end(self, digest: bytes) -> None:
        """End the session whose token has this digest, if there is one."""
        self._open.pop(digest, None)

    def _is_good(self, session: BrowserSession) -> bool:
        return session.caller.expires_s > self._clock() and self._stands(session.by)


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
