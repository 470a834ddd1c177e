"""All streams of a server: the open ones, and those that wait to be resumed."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from takt.core.errors import NotReadyError, StreamNotFoundError, UnavailableError
from takt.peers import Alone, Peers
from takt.streaming.link import Link, Stop
from takt.streaming.session import Session
from takt.streaming.watching import Watcher

MOST_WATCHERS = 32
"""Most who watch at the same time, over all streams."""

_LETTERS = string.ascii_letters + string.digits
"""Of the workers, by their numbers."""

_WATCHERS_LEAVE_WITHIN_S = 1.0
"""Longest wait at the end for those who watch: they lose nothing."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of the streams of one server.

    Attributes:
        most_open: most streams with a connection.
        most_kept: most streams that lost their connection; the one that lost it first ends first.
        kept_s: how long these are kept.
    """

    most_open: int
    most_kept: int
    kept_s: float


@dataclass(frozen=True, slots=True)
class _Kept:
    session: Session
    expiry: asyncio.TimerHandle


class Sessions:
    """Begins, keeps, finds again and ends sessions.

    >>> from unittest.mock import Mock
    >>> async def lose_and_resume() -> None:
    ...     sessions = Sessions(SessionLimits(8, 8, kept_s=60.0), count_open=print)
    ...     session = sessions.begin(lambda key: Mock(key=key, finished=False))
    ...     sessions.keep(session)  # its connection is lost
    ...     sessions.resume(sessions.find(session.key), after=None)
    ...     sessions.end(session)
    >>> asyncio.run(lose_and_resume())
    1
    0
    1
    0

    Args:
        limits: bounds.
        count_open: hears how many are open, whenever that changes.
        peers: the other processes of the server, of which the limits are as well.

    Attributes:
        closing: whether the server is closing.
    """

    def __init__(
        self,
        limits: SessionLimits,
        count_open: Callable[[int], None],
        peers: Peers | None = None,
    ) -> None:
        peers = Alone() if peers is None else peers
        self._counts = peers.counts
        # So that whoever has a stream's id knows which worker has the stream.
        self._prefix = letter_of(peers.worker) if peers.workers > 1 else ""
        self._limits = limits
        self._count_open = count_open
        self._open: dict[str, Session] = {}
        self._kept: dict[str, _Kept] = {}
        self._watchers: set[Watcher] = set()
        self.closing = False
        self._none_open, self._none_watching = asyncio.Event(), asyncio.Event()

    def __iter__(self) -> Iterator[Session]:
        """All that may go on, the oldest connection first; those without a connection follow."""
        yield from [one for one in self._open.values() if not one.finished]
        yield from [kept.session for kept in self._kept.values()]

    def begin(self, make: Callable[[str], Session]) -> Session:
        """Open a session under a key that nobody can guess.

        Raises:
            UnavailableError: as many as may be are open.
            NotReadyError: the server is closing.
        """
        self._admit()
        session = make(self._prefix + secrets.token_urlsafe(16))
        self._set_open(session)
        return session

    def find(self, key: str) -> Session | None:
        """The session of this key, connected or kept; None if it has ended."""
        kept = self._kept.get(key)
        session = kept.session if kept else self._open.get(key)
        return None if session is None or session.finished else session

    def resume(self, session: Session, after: int | None) -> Link:
        """Connect again to a session that was found.

        Raises:
            UnavailableError, NotReadyError: as `begin` does.
        """
        self._check_closing()
        if session.key not in self._open:
            self._admit()
            self._remove_kept(session).expiry.cancel()
            self._set_open(session)
        return session.attach(after)

    def keep(self, session: Session) -> None:
        """Keep a session that has lost its connection, since its client may come back."""
        if self.closing:
            self.end(session)
            return
        self._remove_open(session)
        expiry = asyncio.get_running_loop().call_later(self._limits.kept_s, self._forget, session)
        self._kept[session.key] = _Kept(session, expiry)
        self._counts.add("kept_streams", 1)
        if self._counts.total("kept_streams") > self._limits.most_kept:
            self._forget(next(iter(self._kept.values())).session)
        self._count()

    def end(self, session: Session) -> None:
        """End a session and give up its frames under way."""
        session.cancel()
        self._remove_open(session)
        self._count()

    @contextlib.contextmanager
    def watch(self, id: str) -> Iterator[tuple[Session, Watcher]]:
        """Watch a session for as long as the block lasts.

        Args:
            id: of the session.

        Raises:
            StreamNotFoundError: no session has this id; it may have ended.
            UnavailableError: as many watch as may.
            NotReadyError: the server is closing.
        """
        self._check_closing()
        session = next((one for one in self if one.id == id), None)
        if session is None:
            raise StreamNotFoundError(f"there is no stream {id!r}; GET /v1/streams has them all")
        if (watching := self._counts.total("watchers")) >= MOST_WATCHERS:
            raise UnavailableError(f"{watching} watch already; close a page that shows streams")
        watcher = session.audience.join()
        self._watchers.add(watcher)
        self._counts.add("watchers", 1)
        try:
            yield session, watcher
        finally:
            self._watchers.discard(watcher)
            self._counts.add("watchers", -1)
            watcher.leave()
            if not self._watchers:
                self._none_watching.set()

    @property
    def watchers(self) -> int:
        """How many watch, over all sessions."""
        return len(self._watchers)

    def give_up(self, key: str) -> None:
        """End the session of this key, if there is one: its client goes on elsewhere."""
        if (session := self.find(key)) is None:
            return
        if key in self._kept:
            self._forget(session)
        else:
            session.stop(Stop.TAKEN_OVER)
            self.end(session)

    async def close(self, drain_timeout_s: float) -> None:
        """Let every session answer what it accepted, and wait until each has ended.

        Those whose client does not take its answers are left after `drain_timeout_s`.
        """
        self.closing = True
        for kept in list(self._kept.values()):
            self._forget(kept.session)
        for session in self._open.values():
            session.stop(Stop.SHUTDOWN)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_timeout_s):
                while self._open:
                    self._none_open.clear()
                    await self._none_open.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(drain_timeout_s, _WATCHERS_LEAVE_WITHIN_S)):
                while self._watchers:
                    self._none_watching.clear()
                    await self._none_watching.wait()

    def _check_closing(self) -> None:
        if self.closing:
            raise NotReadyError("the server is closing; stream to another one")

    def _admit(self) -> None:
        self._check_closing()
        if (open_already := self._counts.total("streams")) >= self._limits.most_open:
            raise UnavailableError(
                f"{open_already} streams are open already; end one, or raise stream_sessions"
            )

    def _forget(self, session: Session) -> None:
        self._remove_kept(session).expiry.cancel()
        session.cancel()

    def _remove_kept(self, session: Session) -> _Kept:
        self._counts.add("kept_streams", -1)
        return self._kept.pop(session.key)

    def _remove_open(self, session: Session) -> None:
        if self._open.pop(session.key, None) is not None:
            self._counts.add("streams", -1)

    def _set_open(self, session: Session) -> None:
        if session.key not in self._open:
            self._counts.add("streams", 1)
        self._open[session.key] = session
        self._count()

    def _count(self) -> None:
        self._count_open(len(self._open))
        if not self._open:
            self._none_open.set()


def letter_of(worker: int) -> str:
    """The letter with which the keys of a worker's streams begin.

    >>> letter_of(0), worker_of("bXwEr")
    ('a', 1)
    """
    return _LETTERS[worker]


def worker_of(id: str) -> int | None:
    """The worker that has a stream, by its id or key; None if no worker would begin it so."""
    found = _LETTERS.find(id[:1]) if id else -1
    return None if found < 0 else found
