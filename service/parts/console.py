"""The console: pages for the people at a line."""

from __future__ import annotations

from fastapi import FastAPI

from service.api.pages import PageHeaders
from service.console.pages import CONSOLE, add_console
from service.parts.composing.foundation import Foundation
from service.parts.composing.part import ServerPart
from service.security.headers import page_headers


def console_part(foundation: Foundation) -> ServerPart:
    """Serves the pages, and leads from `/` to them."""

    def pages(app: FastAPI) -> PageHeaders:
        add_console(app)
        return {CONSOLE: page_headers()}

    return ServerPart(name="console", pages=pages)
