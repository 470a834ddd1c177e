"""The check of who asks: every request of every protocol passes it before anything is read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from takt.core.errors import InsufficientScopeError, RequestError, UnauthenticatedError
from takt.security.browser_sessions import COOKIE, BrowserSessions
from takt.security.caller import ANYONE, STRANGER, Caller, CallerPendingError
from takt.security.credentials import Credentials
from takt.security.routes import WEBSOCKET, RouteNeeds

LOOK_EVERY_S = 0.5
"""Time between two looks for callers who are not known any more."""

_TELL_EVERY_S = 10.0
_AUTHORIZATION, _COOKIES = b"authorization", b"cookie"
_BEARER = b"bearer "
_SESSION = COOKIE.encode() + b"="
_SEND_ONE = "send a key of this server as `Authorization: Bearer <key>`"

logger = logging.getLogger("takt.security")


class Guard:
    """Tells who asks, and refuses who may not.

    Without authenticators anyone may do everything; such a server listens on its own machine only.

    >>> from takt.security.keys.key import new_key
    >>> from takt.security.keys.key_ring import KeyRing
    >>> key, secret = new_key("line3", frozenset({"inspect"}))
    >>> guard = Guard(Credentials([KeyRing([key])]))
    >>> headers = [(b"authorization", b"Bearer " + secret.encode())]
    >>> path = "/v1/models/nut/inspect"
    >>> guard.check({"type": "http", "method": "POST", "path": path, "headers": headers}).name
    'line3'
    >>> guard.check({"type": "http", "method": "GET", "path": "/metrics", "headers": headers})
    Traceback (most recent call last):
    takt.core.errors.InsufficientScopeError: the key line3 lacks the scope read, which this needs

    Args:
        credentials: knows callers.
        refused: hears the code of each refusal.
        clock: gives Unix time in seconds.

    Attributes:
        sessions: of browsers.
        needs: what each route needs.
    """

    def __init__(
        self,
        credentials: Credentials,
        refused: Callable[[str], None] = lambda code: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.sessions = BrowserSessions(credentials.stands, clock)
        self._credentials = credentials
        self.needs = RouteNeeds()
        self._refused = refused
        self._clock = clock
        self._held: dict[object, tuple[Caller, Callable[[], None]]] = {}
        self._untold, self._told_s = 0, float("-inf")

    async def admit(self, scope: Mapping[str, Any]) -> Caller:
        """Who asks, once that is found out; it waits where an issuer is asked for its keys.

        Raises:
            UnauthenticatedError: nobody who is known.
            InsufficientScopeError: somebody who may not ask this.
        """
        try:
            return self.check(scope)
        except CallerPendingError as pending:
            await pending.settle()
        try:
            return self.check(scope)
        except CallerPendingError as pending:
            raise UnauthenticatedError(str(pending)) from None

    def check(self, scope: Mapping[str, Any]) -> Caller:
        """Who asks, by a request's headers.

        Raises:
            UnauthenticatedError: nobody who is known.
            InsufficientScopeError: somebody who may not ask this.
            CallerPendingError: that is being found out.
        """
        if not self._credentials:
            return ANYONE
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        need = self.needs.of(method, scope["path"])
        try:
            caller = self._identify(scope["headers"])
            if need in caller.scopes or need in ("a key", "nothing"):
                return caller
            raise InsufficientScopeError(
                f"the key {caller.name} lacks the scope {need}, which this needs", need
            )
        except RequestError as error:
            if need == "nothing":
                return STRANGER
            self._refused(error.code)
            self._tell(error, scope.get("client"))
            raise

    @property
    def knows_callers(self) -> bool:
        """Whether callers are told apart."""
        return bool(self._credentials)

    def stands(self, caller: Caller) -> bool:
        """Whether a caller would be known still."""
        return caller is ANYONE or self._credentials.stands(caller) or self.sessions.stands(caller)

    @contextlib.contextmanager
    def hold(self, caller: Caller, end: Callable[[], None]) -> Iterator[None]:
        """For as long as the block lasts, call `end` once the caller is not known any more.

        Args:
            caller: who opened what lasts, such as a stream.
            end: called on the event loop.
        """
        key = object()
        self._held[key] = caller, end
        try:
            yield
        finally:
            self._held.pop(key, None)

    def look(self) -> None:
        """End what callers hold who are not known any more."""
        for key, (caller, end) in list(self._held.items()):
            if not self.stands(caller):
                del self._held[key]
                logger.info("what %s holds ends, as its key or session has ended", caller.name)
                end()

    async def run(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def _identify(self, headers: list[tuple[bytes, bytes]]) -> Caller:
        given, cookies = None, []
        for name, value in headers:
            if name == _AUTHORIZATION:
                if given is not None:
                    raise UnauthenticatedError(f"there are two headers Authorization; {_SEND_ONE}")
                given = value
            elif name == _COOKIES:
                cookies.append(value)
        if given is not None:
            if given[: len(_BEARER)].lower() != _BEARER:
                raise UnauthenticatedError(f"the header Authorization has no key; {_SEND_ONE}")
            return self._credentials.identify(given[len(_BEARER) :].strip())
        for cookie in b";".join(cookies).split(b";"):
            if (part := cookie.strip()).startswith(_SESSION):
                caller = self.sessions.identify(part[len(_SESSION) :])
                if caller is not None:
                    return caller
        raise UnauthenticatedError(f"this server answers known callers only; {_SEND_ONE}")

    def _tell(self, error: RequestError, client: tuple[str, int] | None) -> None:
        """Log refusals, one in a while: strangers may send as many as they like."""
        self._untold += 1
        now_s = self._clock()
        # Before the last line, too: the clock of the day may be set back.
        if not self._told_s <= now_s < self._told_s + _TELL_EVERY_S:
            address = client[0] if client else "an unknown address"
            text = "a request from %s was refused (%d since the last such line): %s"
            logger.warning(text, address, self._untold, error)
            self._untold, self._told_s = 0, now_s
