"""`GET /v1/models/{name}/card`: the model card of a version's bundle."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from takt.api.examples import NO_MODEL
from takt.api.paths import Name, version_of, versioned
from takt.api.problems import problem_responses
from takt.core.bundles.card import read_card
from takt.core.errors import BundleError
from takt.repository.repository import ModelRepository

_RESPONSES = problem_responses(
    NO_MODEL, BundleError("models/parts/1/card.md cannot be read: it is no regular file")
)
_CARD = {
    200: {
        "content": {"text/markdown": {"schema": {"type": "string"}}},
        "description": "The card, in Markdown. No signature covers it.",
    },
    204: {"description": "The bundle has no card; `takt card --write` makes one."},
}


def card_router(repository: ModelRepository) -> APIRouter:
    """The routes of model cards."""
    router = APIRouter(tags=["models"], responses=_RESPONSES)

    @versioned(
        router.get,
        "/v1/models/{name}/card",
        "get_card_of_version",
        response_class=Response,
        responses=_CARD,
    )
    async def get_card(request: Request, name: Name) -> Response:
        """The model card of the active version, or of the version in the path."""
        version = repository.get(name, version_of(request))
        card = await asyncio.to_thread(read_card, version.path, version.path.parent.parent)
        if card is None:
            return Response(status_code=204)
        return Response(card, media_type="text/markdown")

    return router
