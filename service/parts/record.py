"""The record: what was decided is searched, reviewed and asked again."""

from __future__ import annotations

import asyncio

from service.api.records.routes import record_router
from service.parts.composing.foundation import Foundation
from service.parts.composing.part import ServerPart


def record_part(foundation: Foundation) -> ServerPart:
    """Answers those who search and review the record."""
    records = foundation.records

    routes = record_router(
        records,
        foundation.models.repository,
        foundation.memory,
        foundation.settings,
        foundation.listeners,
        foundation.access.guard,
    )
    return ServerPart(
        name="record", routers=(routes,), close=lambda left_s: asyncio.to_thread(records.close)
    )
