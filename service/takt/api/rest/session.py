"""`/v1/session`: a cookie for browsers, in exchange for a key, and who the caller is."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from pydantic import Field

from takt.api.examples import FOREIGN_PAGE
from takt.api.problems import caller_of, client_of, problem_responses
from takt.api.schemas import Schema
from takt.core.errors import ConflictError
from takt.observing.logging_setup import audit
from takt.security.browser_sessions import COOKIE, LASTS_S
from takt.security.caller import Scope
from takt.security.guard import Guard
from takt.security.shared_sessions import SharedSessions

_NO_KEYS = ConflictError("this server has no keys; ask without a session")


class SessionOut(Schema):
    """A session that has begun; its token is in the cookie alone."""

    caller: str = Field(description="Name of the key.")
    scopes: list[Scope]
    expires: datetime = Field(description="The session ends with its key, or then at the latest.")


class CallerOut(Schema):
    """Who asks, and what the server lets him do."""

    caller: str = Field(description="Name of the key, or `anyone` where the server has no keys.")
    scopes: list[Scope]
    known: bool = Field(description="Whether this server tells callers apart by keys.")


def session_router(guard: Guard, sessions: SharedSessions) -> APIRouter:
    """The routes of browsers' sessions.

    Args:
        guard: knows whether callers are told apart.
        sessions: begins and ends them.
    """
    router = APIRouter(tags=["session"], responses=problem_responses(FOREIGN_PAGE))

    @router.get("/v1/session")
    async def get_session(request: Request) -> CallerOut:
        """Who the caller is, by a key or by the cookie of a session."""
        caller = caller_of(request.scope)
        return CallerOut(
            caller=caller.name, scopes=sorted(caller.scopes), known=guard.knows_callers
        )

    @router.post("/v1/session", status_code=201, responses=problem_responses(_NO_KEYS))
    async def begin_session(request: Request, response: Response) -> SessionOut:
        """Exchange a key for a cookie, which a browser sends for pictures and WebSockets, too.

        No script can read the cookie, and no page of another site can have it sent.
        """
        if not guard.knows_callers:
            raise ConflictError(str(_NO_KEYS))
        token, caller = await sessions.begin(caller_of(request.scope))
        response.set_cookie(
            COOKIE,
            token,
            max_age=LASTS_S,
            httponly=True,
            samesite="strict",
            secure=_is_over_tls(request),
        )
        audit("session_began", caller=caller.name, client=client_of(request))
        return SessionOut(
            caller=caller.name,
            scopes=sorted(caller.scopes),
            expires=datetime.fromtimestamp(caller.expires_s, UTC),
        )

    @router.delete("/v1/session", status_code=204)
    async def end_session(request: Request, response: Response) -> None:
        """End the session of the cookie, with the streams that it has opened."""
        caller = caller_of(request.scope)
        await sessions.end(caller)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        audit("session_ended", caller=caller.name, client=client_of(request))

    return router


def _is_over_tls(request: Request) -> bool:
    """Whether the browser speaks TLS, with this server or a proxy: its page's origin says so."""
    return "https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0])
