"""All routes of the record but the audit log's."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.records.browsing import browsing_router
from service.api.records.feed import feed_router
from service.api.records.judging import judging_router
from service.api.records.replay import replay_router
from service.api.records.review import review_router
from service.api.records.search import search_router
from service.api.records.threads import RecordThreads
from service.api.records.thumbnails import thumbnails_router
from service.core.batching.memory import MemoryBudget
from service.repository.repository import ModelRepository
from service.security.guard import Guard
from service.settings import Settings
from service.streaming.listeners import Listeners


def record_router(
    threads: RecordThreads,
    repository: ModelRepository,
    memory: MemoryBudget,
    settings: Settings,
    listeners: Listeners,
    guard: Guard,
) -> APIRouter:
    """The routes that read the record, review it and ask it again.

    Args:
        threads: work on the record.
        repository: the models.
        memory: of pictures in flight.
        settings: of the server.
        listeners: those who hear what is recorded.
        guard: knows when a caller's key is revoked.
    """
    router = APIRouter()
    router.include_router(search_router(threads))
    router.include_router(feed_router(threads, listeners, guard))
    router.include_router(thumbnails_router(threads, memory, settings.max_image_pixels))
    router.include_router(judging_router(threads))
    router.include_router(browsing_router(threads))
    router.include_router(review_router(threads))
    router.include_router(replay_router(threads, repository, memory, settings))
    return router
