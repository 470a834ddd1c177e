"""A shortcut for most requests: to an inspection, past the framework's routing.

Routing, dependencies and exit stacks cost more than everything else that the service adds to a
small model. The routes of `inspect_router` stay: they document the API and answer the same.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from takt.api.given import validated
from takt.api.problems import request_id_of, share_of
from takt.api.rest.inspect import InspectHandler, Question
from takt.api.schemas import OptionsIn
from takt.core.errors import InvalidParameterError
from takt.observing.journal import UNKNOWN, Journal

_ASKED_KEY = "takt.asked"
"""Key of the ASGI scope: what the request asks, once that is read."""

_LONGEST_KNOWN = 256
"""Bytes of the longest query whose options are remembered."""


@functools.lru_cache(maxsize=256)
def _options_of(query: bytes) -> OptionsIn:
    """The options of a query; the last one counts where one comes twice."""
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    return validated(OptionsIn, given, "the query")


class FastPath:
    """Answers a POST to a route that inspects, and leaves every other request to the framework.

    `RequestContext` around it answers the errors that it raises.

    Args:
        routes: the documented routes that inspect.
        handler: inspects.
        journal: counts and logs requests with wrong options.
    """

    def __init__(
        self, routes: Iterable[BaseRoute], handler: InspectHandler, journal: Journal
    ) -> None:
        self._handler = handler
        self._patterns = [route.path_regex for route in routes if isinstance(route, APIRoute)]
        self._journal = journal

    def check(self, scope: Scope) -> None:
        """Refuse a request that inspects, if there is no room for its picture.

        Raises:
            InvalidParameterError: an option is unknown or out of range.
            QueueFullError: there is none.
        """
        asked = scope[_ASKED_KEY] = self._read(scope)
        if asked is not None:
            self._handler.check_room(scope, asked)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """Answer a request that inspects; None for another one.

        Raises:
            TaktError: it cannot be answered.
        """
        asked: Question | None
        asked = scope[_ASKED_KEY] if _ASKED_KEY in scope else self._read(scope)
        return None if asked is None else await self._handler(Request(scope, receive, send), asked)

    def _read(self, scope: Scope) -> Question | None:
        """What a request asks; None where it does not inspect."""
        if scope["method"] != "POST":
            return None
        for pattern in self._patterns:
            if match := pattern.fullmatch(scope["path"]):
                return Question(self._options(scope), share_of(scope), **match.groupdict())
        return None

    def _options(self, scope: Scope) -> OptionsIn:
        """The options of the query, which are mostly the same."""
        query: bytes = scope["query_string"]
        read = _options_of if len(query) <= _LONGEST_KNOWN else _options_of.__wrapped__
        try:
            return read(query)
        except InvalidParameterError as refusal:
            self._journal.refused(UNKNOWN, "rest", refusal, request_id_of(scope))
            raise
