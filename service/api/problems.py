"""Errors as responses: RFC 9457 problem details, never stack traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from service.api.schemas import ProblemOut
from service.errors import InvalidParameterError, Problem, TaktError, problem_of
from service.observing.journal import UNKNOWN, Journal

MEDIA_TYPE = "application/problem+json"
REQUEST_ID_KEY = "takt.request_id"
MISDIRECTED = "The request is for a name that is not this server's."
OIP_PATH = "/v2"
"""Prefix of the Open Inference Protocol, whose clients read an error's text from `error`."""


def request_id_of(scope: Scope) -> str:
    """The id that `RequestContext` gave the request."""
    return str(scope.get(REQUEST_ID_KEY, ""))


def problem_responses(
    descriptions: Mapping[int | str, str], kind: type[ProblemOut] = ProblemOut
) -> dict[int | str, dict[str, Any]]:
    """Problems by status, as the API's documentation describes them."""
    content = {MEDIA_TYPE: {"schema": kind.model_json_schema()}}
    return {
        status: {"description": description, "content": content}
        for status, description in descriptions.items()
    }


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
    return Response(orjson.dumps(body), problem.status, dict(problem.headers), MEDIA_TYPE)


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
            journal.refused(UNKNOWN, "rest", error, request_id)
        return problem_response(error, request_id, request.scope["path"], hint)

    for kind in (TaktError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


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
