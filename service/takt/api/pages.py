"""The pages for people: the API's documentation, and the ways to a page from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.routing import Match
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from takt.security.headers import Headers, page_headers

_DOCS, _FILES = "/docs", "/static-offline-docs"

PageHeaders = Mapping[str, Headers]
"""Headers of the answers for people, by the beginning of their paths."""


def add_documentation(app: FastAPI) -> PageHeaders:
    """Serve the API's documentation, if the app describes itself; returns the headers of its pages.

    Swagger UI comes from this server, since most production lines cannot reach a CDN.
    """
    if app.openapi_url is None:
        return {}
    page = get_swagger_ui_html(
        openapi_url=app.openapi_url,
        title=f"{app.title} - Swagger UI",
        swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{_FILES}/favicon.png",
    )
    html = bytes(page.body).decode()
    static = files("fastapi_offline") / "static"
    app.mount(_FILES, StaticFiles(directory=str(static)), name="static-offline-docs")

    @app.get(_DOCS, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(html)

    return dict.fromkeys((_DOCS, _FILES), page_headers(html))


def redirect_within(app: FastAPI) -> None:
    """Redirect from a path with a slash too many, without naming a host.

    Starlette's own redirect repeats the request's `Host`, which a proxy may have changed.
    """
    otherwise = app.router.default

    async def redirect(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        if scope["type"] != "http" or path in ("", scope["path"]) or not _leads(app, scope, path):
            await otherwise(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        response = RedirectResponse(f"{path}?{query}" if query else path)
        await response(scope, receive, send)

    app.router.redirect_slashes = False
    app.router.default = redirect


def _leads(app: FastAPI, scope: Scope, path: str) -> bool:
    there = dict(scope) | {"path": path}
    return any(route.matches(there)[0] is not Match.NONE for route in app.router.routes)
