"""Versions that are asked no more: closed once all who had begun to ask them are answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from service.host import return_freed_memory
from service.repository.served_model import ServedModel

_NOTHING_WAITS_S = 10.0
"""Given to the engines' threads to end; nobody waits for an answer of theirs by then."""

logger = logging.getLogger("takt.repository")


class Retirement:
    """Closes versions one by one, each in its own time; used on one event loop."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], ServedModel] = {}

    def add(self, model: ServedModel, closed: Callable[[], None] = lambda: None) -> None:
        """Close a model once it is quiet; how long that takes, its requests' timeouts say.

        Args:
            model: nobody finds it any more.
            closed: called when it is, whatever comes of it.
        """

        async def retire() -> None:
            try:
                await model.quiet()
                await model.close(_NOTHING_WAITS_S)
                await asyncio.to_thread(return_freed_memory)
            except Exception:
                logger.exception("%s %s could not be closed", model.name, model.version)
            finally:
                closed()

        task = asyncio.create_task(retire())
        self._tasks[task] = model
        task.add_done_callback(self._tasks.pop)

    async def close(self, drain_timeout_s: float) -> None:
        """Close all of them by then, whoever still waits."""
        left = dict(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        await asyncio.gather(*(model.close(drain_timeout_s) for model in left.values()))
