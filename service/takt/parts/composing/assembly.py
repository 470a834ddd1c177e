"""Puts an app together, of what its parts stand on and of the parts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI

from takt.api.document.application import Application
from takt.api.document.asyncapi import add_asyncapi
from takt.api.document.openapi import API_VERSION, LICENCE, SERVERS, TAGS
from takt.api.examples import FOREIGN_NAME, NOT_UTF8
from takt.api.pages import add_documentation, redirect_within
from takt.api.problems import add_handlers, problem_responses
from takt.api.request_context import RequestContext
from takt.api.request_span import RequestSpan
from takt.api.rest.fast_path import FastPath
from takt.api.rest.inspect import InspectHandler, inspect_router
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.life import living
from takt.parts.composing.needs import check_needs
from takt.parts.composing.part import ServerPart

DESCRIPTION = """Finds defects on production lines in real time: a picture in, an anomaly score,
a verdict, a heatmap and the defect's regions out."""

_DOCUMENTED = (
    *("parts", "oip", "streams", "record", "learning", "health"),
    *("models", "status", "versions", "audit", "access"),
)
"""Parts in the order in which the API's document has their routes; others follow."""


def foundation_of(app: FastAPI) -> Foundation:
    """What the parts of an app of `create_app` stand on."""
    found: Foundation = app.state.foundation
    return found


def assemble(foundation: Foundation, parts: Sequence[ServerPart]) -> Application:
    """The app that inspects, and has these parts.

    Args:
        foundation: what they stand on.
        parts: in the order in which they begin.

    Raises:
        ConfigurationError: nothing says who may ask for a part's route.
    """
    settings, journal = foundation.settings, foundation.journal
    app = Application(
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        title="Takt API",
        description=DESCRIPTION,
        version=API_VERSION,
        openapi_tags=TAGS,
        servers=SERVERS,
        license_info=LICENCE,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lambda _: living(parts, foundation.peers, foundation.drain.left_s),
        responses=problem_responses(FOREIGN_NAME, NOT_UTF8),
    )
    app.state.foundation, app.state.parts = foundation, parts
    add_handlers(app, journal)
    headers = add_documentation(app)
    inspect = InspectHandler(
        foundation.models.repository, journal, foundation.bodies, settings.timeout_ms
    )
    inspect_routes = inspect_router(inspect)
    app.include_router(inspect_routes)
    for part in sorted(parts, key=_place):
        for router in part.routers:
            app.include_router(router)
    add_asyncapi(app)
    for part in parts:
        if part.pages is not None:
            headers = {**headers, **part.pages(app)}
    redirect_within(app)
    needs = foundation.access.guard.needs
    for part in parts:
        for need in part.needs:
            needs.add(need)
    check_needs(app.routes, needs.rows)
    app.needs = needs.rows
    # Every request goes through these.
    app.layers = [
        partial(
            RequestContext,
            metrics=foundation.metrics,
            max_body_bytes=settings.max_image_bytes,
            gate=foundation.gate,
            guard=foundation.access.guard,
            page_headers=headers,
            shortcut=FastPath(inspect_routes.routes, inspect, journal),
        ),
    ]
    if foundation.tracing is not None:
        app.layers.append(partial(RequestSpan, tracing=foundation.tracing))
    return app


def _place(part: ServerPart) -> int:
    return _DOCUMENTED.index(part.name) if part.name in _DOCUMENTED else len(_DOCUMENTED)
