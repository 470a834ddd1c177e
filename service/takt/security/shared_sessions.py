"""Sessions of browsers in every process of a server: begun and ended at one, known to all."""

from __future__ import annotations

import math

from takt.peers import Message, Peers
from takt.security.browser_sessions import BrowserSession, BrowserSessions
from takt.security.caller import SCOPES, Caller


class SharedSessions:
    """Begins and ends sessions in all processes before it returns.

    What they tell each other of a session is whose it is, the digest of its token and its end.

    Args:
        sessions: of this process.
        peers: the other processes.
    """

    def __init__(self, sessions: BrowserSessions, peers: Peers) -> None:
        self._sessions = sessions
        self._peers = peers
        peers.answer("browser_sessions", self._answer)

    async def begin(self, by: Caller) -> tuple[str, Caller]:
        """Begin a session, as `BrowserSessions.begin` does."""
        token, caller = self._sessions.begin(by)
        begun = [_told(BrowserSession(caller, by))]
        await self._peers.ask("browser_sessions", {"begun": begun, "ended": []})
        return token, caller

    async def end(self, caller: Caller) -> None:
        """End the session by which a caller came, if it was one."""
        self._sessions.end(caller.credential)
        ended = [caller.credential.hex()]
        await self._peers.ask("browser_sessions", {"begun": [], "ended": ended})

    async def catch_up(self) -> None:
        """Take over the sessions that the others have."""
        for reply in await self._peers.ask("browser_sessions", {"begun": [], "ended": []}):
            self._take(reply.body.get("open", ()))

    async def _answer(self, body: Message) -> Message:
        self._take(body["begun"])
        for digest in body["ended"]:
            self._sessions.end(bytes.fromhex(digest))
        if body["begun"] or body["ended"]:
            return {}
        return {"open": [_told(one) for one in self._sessions]}

    def _take(self, begun: list[Message]) -> None:
        for one in begun:
            self._sessions.adopt(_heard(one))


def _told(session: BrowserSession) -> Message:
    by = session.by
    return {
        "name": by.name,
        "scopes": sorted(by.scopes),
        "credential": by.credential.hex(),
        "expires_s": None if by.expires_s == math.inf else by.expires_s,
        "digest": session.caller.credential.hex(),
        "ends_s": session.caller.expires_s,
    }


def _heard(told: Message) -> BrowserSession:
    scopes = frozenset(scope for scope in SCOPES if scope in told["scopes"])
    expires_s = math.inf if told["expires_s"] is None else told["expires_s"]
    by = Caller(told["name"], scopes, bytes.fromhex(told["credential"]), expires_s)
    caller = Caller(told["name"], scopes, bytes.fromhex(told["digest"]), told["ends_s"])
    return BrowserSession(caller, by)
