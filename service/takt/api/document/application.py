"""The framework's application, inside layers of our own, with the document of its API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from takt.api.document.openapi import completed
from takt.api.request_context import RequestContext
from takt.core.domain import Json
from takt.security.routes import ROUTES, RouteNeed


class Application(FastAPI):
    """FastAPI inside layers of our own, which answer most requests before it hears of them.

    The layers that it would add stand inside of its own, which cost each request more than all of
    ours; of its own, the one that answers uncaught exceptions has nothing to do here.

    Attributes:
        layers: each takes the application inside; the last one is outermost.
        needs: what callers need for each route, as the document says it.
    """

    layers: list[Callable[[ASGIApp], ASGIApp]]
    needs: Sequence[RouteNeed] = ROUTES

    # FastAPI's own looks for each request whether a telemetry of its kind is wanted.
    __call__ = Starlette.__call__

    def openapi(self) -> Json:
        """The OpenAPI document; made once."""
        if not self.openapi_schema:
            self.openapi_schema = completed(super().openapi(), routes=self.needs)
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """The whole application, called once."""
        framework = super().build_middleware_stack()
        assert isinstance(framework, ServerErrorMiddleware)
        return reduce(lambda inside, layer: layer(inside), self.layers, framework.app)

    def refusal(self, scope: Scope) -> Response | None:
        """See `RequestContext.refusal`; a server may ask for it before it calls the application.

        Where requests are traced each of them has a span, and so takes a call.
        """
        outermost = self.middleware_stack
        return outermost.refusal(scope) if isinstance(outermost, RequestContext) else None
