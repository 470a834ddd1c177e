"""Loads versions one after another, and closes those that no request can find any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from service.host import return_freed_memory
from service.repository.context import VersionContext
from service.repository.model_version import ModelVersion

_NOTHING_WAITS_S = 10.0
"""Time for the engines' threads to end, when nobody waits for an answer of theirs."""

logger = logging.getLogger("takt.repository")


class Lifecycle:
    """Loads and closes the versions of all models; used on one event loop.

    Args:
        context: what versions are loaded with.
    """

    def __init__(self, context: VersionContext) -> None:
        self.metrics = context.metrics
        self.noticed = context.noticed
        self._context = context
        self._loading = asyncio.Lock()
        self._retiring: dict[asyncio.Task[None], ModelVersion] = {}

    async def load(self, version: ModelVersion) -> None:
        """Loads a version after those that load already, as each needs much memory for a while."""
        async with self._loading:
            await version.load(self._context)

    def retire(self, version: ModelVersion, closed: Callable[[], None] = lambda: None) -> None:
        """Closes a version in the background, once its last request is answered.

        Args:
            version: must not be found by new requests.
            closed: called after closing, even if closing fails.
        """

        async def retire() -> None:
            try:
                await version.quiet()
                await version.close(_NOTHING_WAITS_S)
                await asyncio.to_thread(return_freed_memory)
            except Exception:
                logger.exception("%s %s could not be closed", version.name, version.version)
            finally:
                closed()

        task = asyncio.create_task(retire())
        self._retiring[task] = version
        task.add_done_callback(self._retiring.pop)

    async def close(self, drain_timeout_s: float) -> None:
        """Closes the retired versions within a time, even if requests still wait."""
        left = dict(self._retiring)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        await asyncio.gather(*(version.close(drain_timeout_s) for version in left.values()))
