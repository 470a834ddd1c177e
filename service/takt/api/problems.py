"""Errors as responses: RFC 9457 problem details, never stack traces."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import Scope

from takt.api.json_body import JsonAnswer
from takt.api.schemas import OipProblemOut, ProblemOut, reference_to
from takt.core.batching.uploads import network_of
from takt.core.domain import Json, Labels, RawPicture
from takt.core.errors import InvalidParameterError, TaktError
from takt.core.problem import Problem, problem_of
from takt.observing.journal import UNKNOWN, Journal
from takt.observing.records import Asked
from takt.security.caller import Caller

MEDIA_TYPE = "application/problem+json"
REQUEST_ID_KEY = "takt.request_id"
CALLER_KEY = "takt.caller"
OIP_PATH = "/v2"
"""Prefix of the Open Inference Protocol, whose clients read an error's text from `error`."""

_PICTURE_ROUTES = frozenset({"inspect_picture", "inspect_view"})

_EXAMPLE_ID = "2e1300ba06a94a31bef0585f8ff6dbc1"
_HEADERS: Json = {
    "Retry-After": {
        "description": "Seconds after which to come back, where that can be told.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to say who asks, as RFC 6750 has it.",
        "schema": {"type": "string"},
    },
}


def request_id_of(scope: Scope) -> str:
    """The id that `RequestContext` gave the request."""
    return str(scope.get(REQUEST_ID_KEY, ""))


def caller_of(scope: Scope) -> Caller:
    """Who asks, as `RequestContext` found out."""
    caller: Caller = scope[CALLER_KEY]
    return caller


def asked_of(
    scope: Scope, picture: bytes | memoryview | RawPicture | None, labels: Labels
) -> Asked:
    """What came with a picture, for the record.

    Args:
        scope: of the request.
        picture: as it came.
        labels: what the request says of the part, wherever it says so.
    """
    caller = caller_of(scope)
    return Asked(picture, caller.name if caller.credential else "", labels)


def client_of(connection: HTTPConnection) -> str | None:
    """Address of who asks."""
    return connection.client.host if connection.client else None


def share_of(scope: Scope) -> str:
    """Whose shares of uploads and of a queue a request takes: a key's, else an address's."""
    caller = caller_of(scope)
    if caller.credential:
        return caller.name
    client = scope.get("client")
    return network_of(client[0]) if client else ""


def problem_responses(
    *errors: TaktError, kind: type[ProblemOut] = ProblemOut
) -> dict[int | str, dict[str, Any]]:
    """The answers to errors, by status, as the API's document describes them.

    >>> from takt.core.errors import ConflictError
    >>> found = problem_responses(ConflictError("there is nothing to go back to"))
    >>> content = found[409]["content"]["application/problem+json"]
    >>> content["examples"]["conflict"]["value"]["detail"]
    'there is nothing to go back to'

    Args:
        errors: one for each code that a route answers with; its text is the example.
        kind: schema of the body.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    by_status = attrgetter("status")
    for status, group in groupby(sorted(errors, key=by_status), key=by_status):
        same = list(group)
        examples: dict[str, Json] = {}
        for error in same:
            name = error.code if error.code not in examples else f"{error.code}_{len(examples)}"
            examples[name] = _example(error, kind)
        meanings = dict.fromkeys(_meaning(error) for error in same)
        responses[status] = {
            "description": " ".join(meanings),
            "content": {MEDIA_TYPE: {"schema": reference_to(kind), "examples": examples}},
        }
        named = {name for error in same for name in error.headers}
        if headers := {name: said for name, said in _HEADERS.items() if name in named}:
            responses[status]["headers"] = headers
    return responses


def _meaning(error: TaktError) -> str:
    """The first sentence of what an error's class says of itself."""
    return (error.__doc__ or error.title).partition("\n")[0]


def _example(error: TaktError, kind: type[ProblemOut]) -> Json:
    path = OIP_PATH if kind is OipProblemOut else ""
    body = _body(Problem.of(error), _EXAMPLE_ID, path)
    return {"summary": error.title, "value": body}


def problem_response(
    error: Exception, request_id: str, path: str = "", hint: str = "/docs lists the routes"
) -> Response:
    """The response for an error, in the form that clients of this path read.

    Args:
        error: the exception that was raised.
        request_id: id of the request.
        path: of the request.
        hint: what to do about a path or a method that does not exist.
    """
    if isinstance(error, HTTPException):
        code = error.detail.lower().replace(" ", "_")
        detail = f"{error.detail}; {hint}"
        problem = Problem(error.status_code, code, error.detail, detail, error.headers or {})
    else:
        problem = problem_of(error, request_id)
    body = orjson.dumps(_body(problem, request_id, path))
    return JsonAnswer(body, problem.status, problem.headers.items(), MEDIA_TYPE.encode())


def _body(problem: Problem, request_id: str, path: str) -> Json:
    body = {
        "type": f"urn:takt:error:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }
    if path.startswith(OIP_PATH):
        body["error"] = problem.detail
    return body


def add_handlers(app: FastAPI, journal: Journal) -> None:
    """Answer exceptions that leave a route; `RequestContext` answers those that leave the app."""
    described = app.openapi_url is not None
    hint = "/docs lists the routes" if described else "Takt's documentation lists the routes"

    async def answer(request: Request, error: Exception) -> Response:
        request_id = request_id_of(request.scope)
        if isinstance(error, HTTPException) and error.status_code == 405:
            # Starlette names the methods of the path's first route alone.
            allowed = ", ".join(_methods_of(request))
            error = HTTPException(405, error.detail, {"Allow": allowed})
        if isinstance(error, RequestValidationError):
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"][1:])
            error = InvalidParameterError(f"{where}: {first['msg']}")
            if _takes_picture(request):
                journal.refused(UNKNOWN, "rest", error, request_id)
        return problem_response(error, request_id, request.scope["path"], hint)

    for kind in (TaktError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _takes_picture(request: Request) -> bool:
    """Whether a request brought a picture to inspect: no other one is counted as a picture."""
    route = request.scope.get("route")
    return isinstance(route, APIRoute) and route.name in _PICTURE_ROUTES


def _methods_of(request: Request) -> list[str]:
    """The methods of all routes that the request's path leads to."""
    routes = request.app.router.routes
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "POST", "PUT")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ]
