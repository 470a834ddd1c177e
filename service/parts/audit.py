"""The audit log: what was changed, by whom, and when the server itself began and ended."""

from __future__ import annotations

import asyncio

from service.api.records.audit import audit_router
from service.parts.composing.foundation import Foundation
from service.parts.composing.part import Left, ServerPart
from service.parts.outlets import STORED_WITHIN_S


def audit_part(foundation: Foundation) -> ServerPart:
    """Notes what is changed from before the first job runs until after the last one has ended."""
    trail, lifetime = foundation.trail, foundation.lifetime
    access, watch = foundation.access, foundation.models.watch

    async def begin() -> None:
        trail.begin()

    async def note_lifetime() -> None:
        await lifetime.run(lambda: access.keys, watch.served)

    async def close(left_s: Left) -> None:
        # The end is the last entry.
        await lifetime.end()
        await asyncio.to_thread(trail.close, max(STORED_WITHIN_S, left_s()))

    return ServerPart(
        name="audit",
        routers=(audit_router(foundation.records),),
        begin=begin,
        jobs=(note_lifetime,),
        close=close,
    )
