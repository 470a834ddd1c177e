"""The record: what was decided is kept, and searched, reviewed and asked again."""

from __future__ import annotations

import asyncio

from service.api.records.routes import record_router
from service.parts.composing.foundation import Foundation
from service.parts.composing.part import Left, ServerPart

STORED_WITHIN_S = 2.0
"""Least time that the record has at the end for what waits to be stored."""


def record_part(foundation: Foundation) -> ServerPart:
    """Answers those who search and review the record."""
    records = foundation.records

    async def close(left_s: Left) -> None:
        await asyncio.to_thread(records.close)

    routes = record_router(
        records, foundation.models.repository, foundation.memory, foundation.settings
    )
    return ServerPart(name="record", routers=(routes,), close=close)


def recording_part(foundation: Foundation) -> ServerPart:
    """Keeps inspections; at the end it closes the record, which the audit log uses until then."""
    recorder = foundation.recorder
    if recorder is None:
        return ServerPart(name="recording")

    async def begin() -> None:
        recorder.start()

    async def release(left_s: Left) -> None:
        await asyncio.to_thread(recorder.close, max(STORED_WITHIN_S, left_s()))

    return ServerPart(name="recording", begin=begin, release=release)
