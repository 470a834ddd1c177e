"""Who may ask: keys and issuers that are followed, and the sessions of browsers."""

from __future__ import annotations

from takt.api.rest.session import session_router
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart


def access_part(foundation: Foundation) -> ServerPart:
    """Follows what tells who may ask, and begins and ends sessions of browsers."""
    access = foundation.access
    return ServerPart(
        name="access",
        routers=(session_router(access.guard, access.sessions),),
        begin=access.sessions.catch_up,
        jobs=access.jobs,
    )
