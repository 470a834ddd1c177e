"""Every route says who may ask for it; an app that has another one is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from takt.core.errors import ConfigurationError
from takt.security.routes import WEBSOCKET, RouteNeed


@dataclass(frozen=True, slots=True, order=True)
class ServedRoute:
    """One route as an app has it.

    Attributes:
        method: HTTP's, or WEBSOCKET.
        path: template of the path.
    """

    method: str
    path: str


def check_needs(routes: Sequence[BaseRoute], needs: Iterable[RouteNeed]) -> None:
    """Refuse an app with a route of which nothing says who may ask for it.

    Args:
        routes: of the app.
        needs: what callers need.

    Raises:
        ConfigurationError: there is one.
    """
    said = {ServedRoute(need.method, need.path) for need in needs}
    for one in sorted(set(served_routes(routes)) - said):
        raise ConfigurationError(
            f"nothing says who may ask for {one.method} {one.path}; name it in `needs` of the part "
            "that serves it"
        )


def served_routes(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[ServedRoute]:
    """Every route of an app, also of those that routers brought.

    Args:
        routes: of the app, or of a router.
        prefix: beginning of their paths.

    Raises:
        ConfigurationError: one is of a kind of which nobody knows what it serves.
    """
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            added = getattr(getattr(route, "include_context", None), "prefix", "")
            yield from served_routes(inner.routes, prefix + added)
        elif isinstance(route, WebSocketRoute):
            yield ServedRoute(WEBSOCKET, prefix + route.path)
        elif isinstance(route, Mount):
            # Files, which answer no other methods.
            for method in ("GET", "HEAD"):
                yield ServedRoute(method, f"{prefix}{route.path}/{{path:path}}")
        elif isinstance(route, Route) and route.methods:
            yield from (ServedRoute(method, prefix + route.path) for method in route.methods)
        else:
            raise ConfigurationError(f"nobody knows what a {route!r} serves, nor to whom")
