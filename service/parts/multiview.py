"""Parts of several views: recipes, and one result for each part."""

from __future__ import annotations

import asyncio
from functools import partial

from service.api.multiview.answers import recorded_of
from service.api.multiview.parts import ViewHandler, parts_router
from service.api.multiview.recipes import RecipeDesk, recipes_router
from service.multiview.book import RecipeBook
from service.multiview.desk import PartDesk
from service.multiview.result import PartResult
from service.observing.records import PartRecord
from service.parts.composing.foundation import Foundation
from service.parts.composing.part import Left, ServerPart
from service.recording.multiview.recipes import current_recipes, recipe_changes


def multiview_part(foundation: Foundation) -> ServerPart:
    """Keeps recipes and inspects parts by them; at the end every open part gets its result."""
    records, settings, models = foundation.records, foundation.settings, foundation.models
    outlets = foundation.outlets

    def note(part: PartRecord) -> None:
        for outlet in outlets:
            outlet.note_part(part)

    def ended(result: PartResult) -> None:
        # In the loop's next turn: by then the last view's own answer is noted.
        asyncio.get_running_loop().call_soon(note, recorded_of(result))

    book = RecipeBook(
        partial(records.read, current_recipes),
        partial(records.read, recipe_changes),
        foundation.peers,
    )
    desk = PartDesk(book, foundation.peers, ended, lambda: foundation.sessions.closing)
    handler = ViewHandler(
        desk, models.repository, foundation.journal, foundation.bodies, settings.timeout_ms
    )
    recipes = RecipeDesk(records, models.repository, book, settings.threshold_changes)

    async def close(left_s: Left) -> None:
        # Whatever was accepted is answered by now.
        desk.close()

    return ServerPart(
        name="parts",
        routers=(parts_router(handler, desk, records), recipes_router(recipes)),
        once_leading=(book.follow,) if records.has_record else (),
        close=close,
    )
