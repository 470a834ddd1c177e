"""Learning: a new version from pictures of good parts, by a process of its own."""

from __future__ import annotations

from takt.api.learning.routes import learning_router
from takt.core.errors import ModelNotFoundError
from takt.learning.desk import LearningDesk
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart


def learning_part(foundation: Foundation) -> ServerPart:
    """Learns; at the end what runs is ended, and its files go unless another worker goes on."""
    settings, models = foundation.settings, foundation.models

    def active(model: str) -> str | None:
        try:
            return models.repository.model(model).active
        except ModelNotFoundError:
            return None

    desk = LearningDesk(
        settings,
        foundation.trail.note,
        foundation.records,
        models.watch.ask,
        active,
        foundation.lifetime.goes_on,
    )

    routes = learning_router(
        desk,
        foundation.bodies,
        foundation.records,
        models.repository,
        settings,
        foundation.peers,
    )
    return ServerPart(
        name="learning",
        routers=(routes,),
        once_leading=(desk.begin,),
        close=lambda left_s: desk.close(),
    )
