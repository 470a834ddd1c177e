"""`/console/`: the files of the pages, and the one document that every page begins with."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from takt.core.domain import Json
from takt.core.families.every import learnable
from takt.core.families.family import Family

CONSOLE = "/console"
"""Beginning of the paths of all pages and their files."""

STYLES = (
    "console.css",
    "vendor/uplot.css",
    "parts/picture.css",
    "parts/threshold/gauge.css",
    "pages/live/page.css",
    "pages/try/page.css",
    "pages/review/page.css",
    "pages/models/page.css",
    "pages/learn/page.css",
    "pages/health/page.css",
    "pages/inspection/page.css",
    "pages/audit/page.css",
    "pages/watch/page.css",
    "pages/stations/page.css",
    "pages/recipes/page.css",
)
"""The sheets of all pages, in the order in which they hold. A browser gets them at once: nothing is
painted before the last one has come."""

_ASK_EACH_TIME = {"Cache-Control": "no-cache"}
"""A browser keeps a file, and asks each time whether it has changed."""


def add_console(app: FastAPI) -> None:
    """Serve the console, and lead from `/` to it.

    Every page is the same document, whose script shows what the address names. `families.json` has
    the families among which the page Learn has people choose, the usual one first.
    """
    static = str(files("takt.console") / "static")
    sheet = _Sheet(b"\n".join((Path(static) / one).read_bytes() for one in STYLES))
    headers = _ASK_EACH_TIME | {"Link": _loaded_first(Path(static))}
    app.mount(f"{CONSOLE}/static", GZipMiddleware(_Files(directory=static)), name="console-static")

    @app.get(CONSOLE + "/families.json", include_in_schema=False)
    async def families() -> JSONResponse:
        return JSONResponse([_shown(one) for one in learnable()], headers=_ASK_EACH_TIME)

    @app.get(CONSOLE + "/styles.css", include_in_schema=False)
    async def styles(request: Request) -> Response:
        return sheet.answer(request)

    @app.get(CONSOLE + "/{page:path}", include_in_schema=False)
    async def console(page: str) -> FileResponse:
        return FileResponse(f"{static}/index.html", headers=headers)

    @app.get("/", include_in_schema=False)
    @app.get(CONSOLE, include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse(f"{CONSOLE}/")


def _shown(family: Family) -> Json:
    """A family for the page Learn: its name, what it is good for, and whether it takes minutes."""
    return {"name": family.name, "about": family.about, "is_trained": family.is_trained}


def _loaded_first(static: Path) -> str:
    """The header by which a browser loads at once what every page needs, not one after another."""
    modules = [static / "vendor/htm-preact.js", *sorted((static / "core").glob("*.js"))]
    links = [
        f"<{CONSOLE}/static/{module.relative_to(static)}>; rel=modulepreload" for module in modules
    ]
    texts = f"<{CONSOLE}/static/strings/en.json>; rel=preload; as=fetch; crossorigin"
    return ", ".join([*links, texts])


class _Sheet:
    """One style sheet, packed once."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._packed = gzip.compress(text, mtime=0)
        self._tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'

    def answer(self, request: Request) -> Response:
        """The sheet, or that the browser has it."""
        headers = _ASK_EACH_TIME | {"ETag": self._tag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=headers)
        content = self._text
        if "gzip" in request.headers.get("accept-encoding", ""):
            content, headers["Content-Encoding"] = self._packed, "gzip"
        return Response(content, media_type="text/css", headers=headers)


class _Files(StaticFiles):
    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update(_ASK_EACH_TIME)
        return response
