"""How errors leave the service: as RFC 9457 problem details, never as stack traces."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from service.errors import InvalidParameterError, TaktError
from service.observing.journal import UNKNOWN, Journal

MEDIA_TYPE = "application/problem+json"
REQUEST_ID_KEY = "takt.request_id"
OIP_PATH = "/v2"
"""Clients of the Open Inference Protocol read an error's text from the field `error`."""

logger = logging.getLogger("takt.api")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as the caller sees it, whatever the protocol."""

    status: int
    code: str
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)


def request_id_of(scope: Scope) -> str:
    """The id of a request that went through `RequestContext`."""
    return str(scope.get(REQUEST_ID_KEY, ""))


def as_problem(error: Exception, request_id: str) -> Problem:
    """Any exception as a problem; one that is our fault is logged, a foreign one tells nothing."""
    if isinstance(error, RequestValidationError):
        error = InvalidParameterError(_first_complaint(error))
    if isinstance(error, TaktError):
        if error.status == 500:
            logger.error("request %s: %s", request_id, error, exc_info=error.__cause__)
        return Problem(error.status, error.code, error.title, str(error), error.headers)
    if isinstance(error, HTTPException):
        code = error.detail.lower().replace(" ", "_")
        detail = f"{error.detail}; /docs lists the routes"
        return Problem(error.status_code, code, error.detail, detail, error.headers or {})
    logger.error("request %s: unforeseen error", request_id, exc_info=error)
    return Problem(
        TaktError.status,
        TaktError.code,
        TaktError.title,
        "something unforeseen went wrong; the service's log has it under this request id",
    )


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
