"""The console: pages for the people at a line."""

from __future__ import annotations

from fastapi import FastAPI

from takt.api.pages import PageHeaders
from takt.console.pages import CONSOLE, add_console
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart
from takt.security.headers import page_headers


def console_part(foundation: Foundation) -> ServerPart:
    """Serves the pages, and leads from `/` to them."""

    def pages(app: FastAPI) -> PageHeaders:
        add_console(app)
        return {CONSOLE: page_headers()}

    return ServerPart(name="console", pages=pages)
