"""What a caller needs for each route: one table for every protocol and for the documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from starlette.routing import compile_path

from takt.core.errors import ConfigurationError
from takt.security.caller import Scope

Need = Scope | Literal["nothing", "a key"]
"""A scope; `a key`, whatever its scopes; or `nothing` at all."""

WEBSOCKET = "WEBSOCKET"
"""Stands for the method of a WebSocket's handshake."""

GRPC = "GRPC"
"""Stands for the method of a call by gRPC, whose path names the service and its procedure."""


_Match = Callable[[str], object]

_PARAMETER = re.compile(r"{[^}]*}")


@dataclass(frozen=True, slots=True)
class RouteNeed:
    """What one route needs.

    Attributes:
        method: HTTP's, WEBSOCKET or GRPC.
        path: template of the path, as the router has it.
        need: what a caller needs.
    """

    method: str
    path: str
    need: Need

    @property
    def documented(self) -> str:
        """The path as the API's document has it: without the kinds of its parts.

        >>> RouteNeed("GET", "/v1/inspections/{id:int}", "read").documented
        '/v1/inspections/{id}'
        """
        return self.path.replace(":int}", "}")


def _routes(need: Need, methods: str, *paths: str) -> Iterator[RouteNeed]:
    """Routes by `methods` such as "GET HEAD"; a path that begins with * is of each version, too."""
    for path in paths:
        plain = path.lstrip("*")
        of_version = plain.replace("{name}", "{name}/versions/{version}")
        for template in (plain,) if plain == path else (plain, of_version):
            yield from (RouteNeed(method, template, need) for method in methods.split())


ROUTES: tuple[RouteNeed, ...] = (
    *_routes("inspect", "POST", "*/v1/models/{name}/inspect", "*/v2/models/{name}/infer"),
    *_routes("inspect", WEBSOCKET, "*/v1/models/{name}/stream"),
    *_routes("read", "GET", "/v1/streams"),
    *_routes("read", WEBSOCKET, "/v1/streams/{id}/watch"),
    *_routes("operate", "PUT DELETE", "*/v1/models/{name}/threshold"),
    *_routes("inspect", "POST", "/v1/parts/{id}/views/{view}", "/v1/parts/{id}/end"),
    *_routes(
        "read",
        "GET",
        "/v1/parts",
        "/v1/parts-export",
        "/v1/parts/{id}",
        "/v1/recipes",
        "/v1/recipes/{recipe}",
    ),
    *_routes("read", "GET", "/v1/recipes/{recipe}/revisions"),
    *_routes("operate", "PUT DELETE", "/v1/recipes/{recipe}"),
    # A station has the key by which it has parts inspected.
    *_routes("inspect", "PUT", "/v1/stations/{station}"),
    *_routes("read", "GET", "/v1/stations", "/v1/stations/{station}"),
    *_routes("operate", "POST", "/v1/stations/{station}/recipe"),
    *_routes("operate", "POST", "/v1/models/{name}/versions/{version}/activate"),
    *_routes("operate", "POST", "/v1/models/{name}/rollback"),
    # It tells who did what, and from where: more than whoever reads metrics is to know.
    *_routes("operate", "GET", "/v1/audit"),
    *_routes("operate", "POST", "/v1/learning", "/v1/learning/{id}/start"),
    *_routes("operate", "POST", "/v1/learning/{id}/pictures"),
    *_routes("operate", "POST", "/v1/learning/{id}/pictures/from-record"),
    *_routes("operate", "DELETE", "/v1/learning/{id}"),
    *_routes("read", "GET", "/v1/learning", "/v1/learning/{id}"),
    *_routes("read", "GET", "/metrics", "/v1/models", "/v1/models/{name}", "/v2"),
    *_routes("read", "GET", "*/v1/models/{name}/scores", "*/v1/models/{name}/card"),
    *_routes("read", "GET", "/v1/status", "/v1/status/conditions/{condition}"),
    *_routes("read", "GET", "*/v2/models/{name}/ready", "*/v2/models/{name}"),
    *_routes("read", "GET", "*/v2/models/{name}/config"),
    # They change nothing; what they cost an engine waits behind the pictures of lines.
    *_routes("read", "GET", "/v1/inspections/{id}/map", "/v1/inspections/{id}/overlay"),
    *_routes("read", "POST", "/v1/inspections/{id}/replay"),
    *_routes("read", "POST", "/v2/repository/index"),
    *_routes("review", "POST", "/v1/inspections/judgements", "/v1/inspections/seen"),
    *_routes("review", "POST", "/v1/inspections/judgements/withdraw"),
    *_routes("review", "PUT DELETE", "/v1/inspections/{id}/pin"),
    *_routes("read", "GET", "/v1/inspections/{id}/judgements", "/v1/review/confusion"),
    *_routes("read", "GET", "/v1/review/threshold", "/v1/review/disagreements"),
    *_routes("read", "GET", "/v1/review/teachable"),
    *_routes("read", "GET", "/v1/review/tiles", "/v1/review/calendar", "/v1/review/recent"),
    *_routes("read", "GET", "/v1/inspections", "/v1/inspections/export"),
    *_routes("read", "GET", "/v1/inspections/feed"),
    *_routes("read", "GET", "/v1/inspections/{id:int}", "/v1/inspections/{id:int}/picture"),
    *_routes("read", "GET", "/v1/inspections/{id:int}/neighbours"),
    *_routes("read", "GET", "/v1/inspections/{id:int}/thumbnail"),
    *_routes("read", "GET", "/v1/watch", "/v1/watch/alarms", "/v1/watch/alarms/{id}"),
    *_routes("read", "GET", "/v1/watch/marks", "/v1/watch/facts/{fact}"),
    *_routes("read", "GET", "/v1/inspections/{id}/facts"),
    *_routes("review", "POST", "/v1/watch/alarms/{id}/acknowledge"),
    *_routes("review", "POST", "/v1/watch/alarms/{id}/snooze", "/v1/watch/marks"),
    *_routes("a key", "GET POST DELETE", "/v1/session"),
    # Probes come from machines that have nowhere to keep a key.
    *_routes("nothing", "GET HEAD", "/health/live", "/health/ready"),
    *_routes("nothing", "GET", "/v2/health/live", "/v2/health/ready"),
    # A browser cannot send a key for a page, and these tell nothing of this server.
    *_routes("nothing", "GET HEAD", "/openapi.json", "/static-offline-docs/{path:path}"),
    *_routes("nothing", "GET HEAD", "/console/static/{path:path}"),
    *_routes("nothing", "GET", "/console/families.json", "/console/styles.css"),
    *_routes("nothing", "GET", "/asyncapi.json", "/docs", "/", "/console", "/console/{page:path}"),
)
"""Every route of the server."""

_OIP = "/inference.GRPCInferenceService"

PROCEDURES: tuple[RouteNeed, ...] = (
    *_routes("inspect", GRPC, f"{_OIP}/ModelInfer"),
    *_routes("read", GRPC, f"{_OIP}/ServerMetadata", f"{_OIP}/ModelMetadata"),
    *_routes("read", GRPC, f"{_OIP}/ModelReady", f"{_OIP}/ModelConfig"),
    *_routes("read", GRPC, f"{_OIP}/RepositoryIndex"),
    *_routes("nothing", GRPC, f"{_OIP}/ServerLive", f"{_OIP}/ServerReady"),
    *_routes("nothing", GRPC, "/grpc.health.v1.Health/Check"),
)
"""Every procedure that is served by gRPC; each needs what its route of HTTP does."""


class RouteNeeds:
    """Finds what a request needs.

    A path that is in no row needs a key, so that a stranger learns nothing of what is there.

    >>> needs = RouteNeeds()
    >>> needs.of("POST", "/v1/models/nut/versions/2/inspect"), needs.of("GET", "/none")
    ('inspect', 'a key')

    Args:
        routes: rows of the table.

    Attributes:
        rows: all that are known.
    """

    def __init__(self, routes: Iterable[RouteNeed] = (*ROUTES, *PROCEDURES)) -> None:
        self.rows: list[RouteNeed] = []
        self._of_method: dict[str, list[tuple[_Match, Need]]] = {}
        for route in routes:
            self._add(route)

    def add(self, route: RouteNeed) -> None:
        """Know one more route, behind all others.

        >>> needs = RouteNeeds()
        >>> needs.add(RouteNeed("GET", "/v1/greeting", "read"))
        >>> needs.of("GET", "/v1/greeting")
        'read'

        Raises:
            ConfigurationError: a row before it has its paths, and needs something else.
        """
        path, before = _PARAMETER.sub("7", route.path), self._of_method.get(route.method, ())
        found = next((need for match, need in before if match(path)), route.need)
        if found != route.need:
            raise ConfigurationError(
                f"{route.method} {route.path} would need {found} instead of {route.need}, as a "
                "route before it has that path; give it a path of its own, or name it first"
            )
        self._add(route)

    def _add(self, route: RouteNeed) -> None:
        # The router's own reading of a template: another one could differ in some odd path.
        pattern, _, _ = compile_path(route.path)
        self._of_method.setdefault(route.method, []).append((pattern.match, route.need))
        self.rows.append(route)

    def of(self, method: str, path: str) -> Need:
        """What a caller needs.

        Args:
            method: HTTP's, WEBSOCKET or GRPC.
            path: of the request, decoded.
        """
        for match, need in self._of_method.get(method, ()):
            if match(path):
                return need
        return "a key"
