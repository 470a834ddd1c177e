"""Parts of several views: recipes, and one result for each part."""

from __future__ import annotations

from takt.api.multiview.parts import ViewHandler, parts_router
from takt.api.multiview.recipe_desk import RecipeDesk
from takt.api.multiview.recipes import recipe_changes_router, recipes_router
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import Left, ServerPart


def multiview_part(foundation: Foundation) -> ServerPart:
    """Keeps recipes and inspects parts by them; at the end every open part gets its result."""
    records, settings, models = foundation.records, foundation.settings, foundation.models
    book, desk = foundation.multiview.book, foundation.multiview.desk
    handler = ViewHandler(
        foundation.views, foundation.journal, foundation.bodies, settings.timeout_ms
    )
    recipes = RecipeDesk(records, models.repository, book, settings.threshold_changes)

    async def close(left_s: Left) -> None:
        # Whatever was accepted is answered by now.
        desk.close()

    return ServerPart(
        name="parts",
        routers=(
            parts_router(handler, desk, records),
            recipes_router(recipes),
            recipe_changes_router(recipes),
        ),
        once_leading=(book.follow, desk.prepare) if records.has_record else (),
        close=close,
    )
