"""A shortcut for most requests: to an inspection, past the framework's routing.

Routing, dependencies and exit stacks cost more than everything else that the service adds to a
small model. The routes of `inspect_router` stay: they document the API and answer the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import request_id_of
from service.api.rest.inspect import InspectHandler
from service.api.schemas import OptionsIn
from service.errors import InvalidParameterError
from service.observing.journal import UNKNOWN, Journal
from service.problem import validation_message


class FastPath:
    """Answers a POST to a route that inspects; hands every other request on.

    `RequestContext` around it answers the errors that it raises.

    Args:
        app: the application inside.
        routes: the documented routes that inspect.
        handler: inspects.
        journal: counts and logs requests with wrong options.
    """

    def __init__(
        self, app: ASGIApp, routes: Iterable[BaseRoute], handler: InspectHandler, journal: Journal
    ) -> None:
        self._app = app
        self._patterns = [route.path_regex for route in routes if isinstance(route, APIRoute)]
        self._handler = handler
        self._journal = journal
        self._defaults = OptionsIn.model_validate({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        match = self._match(scope)
        if match is None:
            await self._app(scope, receive, send)
            return
        options = self._options(scope) if scope["query_string"] else self._defaults
        name, *version = match.groups()
        response = await self._handler(
            Request(scope, receive, send), options, name, version[0] if version else None
        )
        await response(scope, receive, send)

    def _match(self, scope: Scope) -> re.Match[str] | None:
        if scope["type"] == "http" and scope["method"] == "POST":
            for pattern in self._patterns:
                if match := pattern.fullmatch(scope["path"]):
                    return match
        return None

    def _options(self, scope: Scope) -> OptionsIn:
        """The options of the query; the last one counts where one comes twice.

        Raises:
            InvalidParameterError: an option is unknown or out of range.
        """
        query_string = scope["query_string"].decode("latin-1")
        given = dict(parse_qsl(query_string, keep_blank_values=True))
        try:
            return OptionsIn.model_validate(given)
        except ValidationError as error:
            refusal = InvalidParameterError(validation_message(error, "the query"))
            self._journal.refused(UNKNOWN, "rest", refusal, request_id_of(scope))
            raise refusal from None
