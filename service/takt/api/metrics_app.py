"""What answers on the port of its own that metrics may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from takt.api.problems import add_handlers
from takt.observing.journal import Journal


def metrics_app(
    routers: Iterable[APIRouter], journal: Journal, context: Callable[[ASGIApp], ASGIApp]
) -> ASGIApp:
    """An app of a few routes that asks nobody for a key.

    Args:
        routers: its routes.
        journal: notes what fails.
        context: the layer around every request.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    add_handlers(app, journal)
    for router in routers:
        app.include_router(router)
    return context(app)
