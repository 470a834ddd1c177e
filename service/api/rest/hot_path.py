"""The way of most requests: to an inspection, past the routing that all others take.

A framework's routing, dependencies and exit stacks cost more than all else that the service adds
to a small model. The routes of `inspect_router` stay what documents the API, and answer alike.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.failures import request_id_of
from service.api.rest.inspect import Answer, InspectQuery
from service.errors import InvalidParameterError, validation_message
from service.observing.journal import UNKNOWN, Journal

_INSPECT = re.compile(r"/v1/models/([^/]+)(?:/versions/([^/]+))?/inspect")


class HotPath:
    """Answers `POST …/inspect` and hands everything else on.

    What is raised leaves it as it is: `RequestContext` around it answers errors.

    Args:
        app: what it surrounds.
        answer: inspects.
        journal: told of what is refused before a model is known.
    """

    def __init__(self, app: ASGIApp, answer: Answer, journal: Journal) -> None:
        self._app = app
        self._answer = answer
        self._journal = journal
        self._plain = InspectQuery.model_validate({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        asked = None
        if scope["type"] == "http" and scope["method"] == "POST":
            asked = _INSPECT.fullmatch(scope["path"])
        if asked is None:
            await self._app(scope, receive, send)
            return
        query = self._query(scope) if scope["query_string"] else self._plain
        response = await self._answer(Request(scope, receive, send), query, asked[1], asked[2])
        await response(scope, receive, send)

    def _query(self, scope: Scope) -> InspectQuery:
        """Read the options; of one that comes twice the last one counts.

        Raises:
            InvalidParameterError: one is unknown or out of range.
        """
        query_string = scope["query_string"].decode("latin-1")
        given = dict(parse_qsl(query_string, keep_blank_values=True))
        try:
            return InspectQuery.model_validate(given)
        except ValidationError as error:
            refusal = InvalidParameterError(validation_message(error, "the query"))
            self._journal.refused(UNKNOWN, "rest", refusal, request_id_of(scope))
            raise refusal from None
