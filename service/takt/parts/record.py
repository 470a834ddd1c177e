"""The record: what was decided is searched, reviewed and asked again."""

from __future__ import annotations

import asyncio

from takt.api.records.browsing import browsing_router
from takt.api.records.feed import feed_router
from takt.api.records.judging import judging_router
from takt.api.records.replay import replay_router
from takt.api.records.review import review_router
from takt.api.records.search import search_router
from takt.api.records.thumbnails import thumbnails_router
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart


def record_part(foundation: Foundation) -> ServerPart:
    """Answers those who search and review the record."""
    records, memory, settings = foundation.records, foundation.memory, foundation.settings

    routers = (
        search_router(records),
        feed_router(records, foundation.listeners, foundation.access.guard),
        thumbnails_router(records, memory, settings.max_image_pixels),
        judging_router(records),
        browsing_router(records),
        review_router(records),
        replay_router(records, foundation.models.repository, memory, settings),
    )
    return ServerPart(
        name="record", routers=routers, close=lambda left_s: asyncio.to_thread(records.close)
    )
