"""How errors leave the service: as RFC 9457 problem details, never as stack traces."""

from __future__ import annotations

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from service.errors import InvalidParameterError, Problem, TaktError, problem_of
from service.observing.journal import UNKNOWN, Journal

MEDIA_TYPE = "application/problem+json"
REQUEST_ID_KEY = "takt.request_id"
OIP_PATH = "/v2"
"""Clients of the Open Inference Protocol read an error's text from the field `error`."""


def request_id_of(scope: Scope) -> str:
    """The id of a request that went through `RequestContext`."""
    return str(scope.get(REQUEST_ID_KEY, ""))


def as_problem(error: Exception, request_id: str) -> Problem:
    """Any exception as a problem; those of the web framework are translated here."""
    if isinstance(error, RequestValidationError):
        error = InvalidParameterError(_first_complaint(error))
    if isinstance(error, HTTPException):
        code = error.detail.lower().replace(" ", "_")
        detail = f"{error.detail}; /docs lists the routes"
        return Problem(error.status_code, code, error.detail, detail, error.headers or {})
    return problem_of(error, request_id)


def problem_response(error: Exception, request_id: str, path: str = "") -> Response:
    """The response that tells an error, in the form that clients of this path read."""
    problem = as_problem(error, request_id)
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
    """Answer the exceptions that leave a route; `RequestContext` has those that leave the app."""

    async def answer(request: Request, error: Exception) -> Response:
        request_id = request_id_of(request.scope)
        if isinstance(error, RequestValidationError):
            refusal = InvalidParameterError(_first_complaint(error))
            journal.refused(UNKNOWN, "rest", refusal, request_id)
        return problem_response(error, request_id, request.scope["path"])

    for kind in (TaktError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _first_complaint(error: RequestValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return f"{where}: {first['msg']}"
