"""Who may ask what, in the OpenAPI document, by the table of routes and scopes."""

from __future__ import annotations

from collections.abc import Iterable

from takt.api.problems import OIP_PATH, problem_responses
from takt.api.schemas import OipProblemOut, ProblemOut
from takt.core.domain import Json
from takt.core.errors import InsufficientScopeError, TaktError, UnauthenticatedError
from takt.security.browser_sessions import COOKIE
from takt.security.caller import SCOPES
from takt.security.routes import ROUTES, Need, RouteNeed

SCHEMES: Json = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of the server, with the scope that an operation names. A server "
        "without keys needs none; it listens to its own machine only.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The cookie of a browser, which `begin_session` gives for a key. It has "
        "the scopes of that key.",
    },
}

_NO_CALLER = UnauthenticatedError(
    "this server answers known callers only; send a key of this server as "
    "`Authorization: Bearer <key>`"
)


def add_access(document: Json, routes: Iterable[RouteNeed] = ROUTES) -> None:
    """Say in a document what each operation needs, and what callers get who have something else.

    Args:
        document: is changed.
        routes: the table.
    """
    document["components"]["securitySchemes"] = SCHEMES
    needs = {(route.method, route.documented): route.need for route in routes}
    for path, operations in document["paths"].items():
        kind = OipProblemOut if path.startswith(OIP_PATH) else ProblemOut
        for method, operation in operations.items():
            need = needs[method.upper(), path]
            scopes = [need] if need in SCOPES else []
            operation["security"] = (
                [] if need == "nothing" else [{name: scopes} for name in SCHEMES]
            )
            for status, response in problem_responses(*_refusals(need), kind=kind).items():
                _add(operation["responses"], str(status), response)


def _refusals(need: Need) -> list[TaktError]:
    if need == "nothing":
        return []
    if need not in SCOPES:
        return [_NO_CALLER]
    lacking = f"the key line3 lacks the scope {need}, which this needs"
    return [_NO_CALLER, InsufficientScopeError(lacking, need)]


def _add(responses: Json, status: str, response: Json) -> None:
    """Add a problem to those that have its status already."""
    if (there := responses.get(status)) is None:
        responses[status] = response
        return
    there["description"] += f" {response['description']}"
    there.setdefault("headers", {}).update(response.get("headers", {}))
    for media_type, content in response["content"].items():
        there["content"][media_type]["examples"] |= content["examples"]
