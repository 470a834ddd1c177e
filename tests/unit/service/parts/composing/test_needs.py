from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.routing import Host, Router

from takt.core.errors import ConfigurationError
from takt.parts.composing.needs import ServedRoute, check_needs, served_routes
from takt.security.routes import WEBSOCKET, RouteNeed


def app() -> FastAPI:
    """An app whose routes come by routers of routers."""
    inner, outer = APIRouter(), APIRouter()

    @inner.get("/one/{id:int}")
    async def one() -> None: ...

    @outer.websocket("/two")
    async def two(websocket: WebSocket) -> None: ...

    outer.include_router(inner, prefix="/in")
    found = FastAPI(openapi_url=None)
    found.include_router(outer, prefix="/out")
    return found


def test_routes_are_found_however_they_came() -> None:
    assert set(served_routes(app().routes)) == {
        ServedRoute("GET", "/out/in/one/{id:int}"),
        ServedRoute(WEBSOCKET, "/out/two"),
    }


def test_each_method_of_a_path_has_to_be_named() -> None:
    needs = [
        RouteNeed("POST", "/out/in/one/{id:int}", "read"),
        RouteNeed(WEBSOCKET, "/out/two", "read"),
    ]
    with pytest.raises(ConfigurationError, match=r"GET /out/in/one/\{id:int\}"):
        check_needs(app().routes, needs)
    check_needs(app().routes, [*needs, RouteNeed("GET", "/out/in/one/{id:int}", "nothing")])


def test_what_serves_nobody_knows_what_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nobody knows"):
        check_needs([Host("takt", Router())], [])
