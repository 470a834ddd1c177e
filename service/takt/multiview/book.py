"""The recipes as they are now, in memory, so that no part waits for the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from takt.core.errors import RecordError
from takt.multiview.recipe import PartRecipe, RecipeRevision
from takt.peers import Message, Peers
from takt.recording.multiview.recipes import StoredRecipe, no_recipe

LOOK_EVERY_S = 2.0
"""Time between two looks for what another server on the same record has changed."""

logger = logging.getLogger("takt.recipes")


def revision_of(stored: StoredRecipe) -> RecipeRevision:
    """A revision as parts are inspected by it; one that says something."""
    assert stored.content is not None
    return RecipeRevision(
        stored.name,
        stored.revision,
        PartRecipe.of(stored.content),
        stored.at_us,
        stored.who,
        stored.reason,
    )


class RecipeBook:
    """Every recipe as it is; one that was changed is in force before the change is answered.

    Args:
        read: gives the recipes of the record.
        changes: gives a number that is higher after each change.
        peers: the other workers.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Sequence[StoredRecipe]]],
        changes: Callable[[], Awaitable[int]],
        peers: Peers,
    ) -> None:
        self._read = read
        self._changes = changes
        self._peers = peers
        self._known: dict[str, RecipeRevision] | None = None
        self._seen = -1
        self._turn = asyncio.Lock()
        peers.answer("recipes", self._told)

    async def load(self) -> None:
        """Read the recipes, unless they are known.

        Raises:
            NoRecordError: the server keeps no record.
            RecordError: it does not answer.
        """
        if self._known is None:
            async with self._turn:
                if self._known is None:
                    await self._reload()

    def current(self, name: str) -> RecipeRevision:
        """A recipe as it is; after `load`.

        Raises:
            RecipeNotFoundError: there is none.
        """
        found = (self._known or {}).get(name)
        if found is None:
            raise no_recipe(name)
        return found

    async def changed(self) -> None:
        """Have every worker know what was changed."""
        await self._told({})
        await self._peers.ask("recipes", {})

    async def follow(self) -> None:
        """Take what another server on the same record changes; never ends."""
        while True:
            try:
                async with self._turn:
                    if await self._changes() != self._seen:
                        await self._reload()
            except RecordError as error:
                logger.debug("recipes are as they were: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _told(self, body: Message) -> Message:
        async with self._turn:
            await self._reload()
        return {}

    async def _reload(self) -> None:
        seen = await self._changes()
        self._known = {one.name: revision_of(one) for one in await self._read()}
        self._seen = seen
