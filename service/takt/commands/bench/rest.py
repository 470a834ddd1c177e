"""Sends pictures to `POST .../inspect`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import orjson

from takt.commands.bench.clock import LoadClock
from takt.commands.bench.lean_http import HttpPool, HttpResponse, request_head
from takt.commands.bench.refusals import is_final, of_picture
from takt.commands.bench.samples import CONNECTION_FAILED, OK, RequestOutcome
from takt_client.errors import InsufficientScopeError, UnreachableError, UnreadableAnswerError
from takt_client.failures import refusal_of


class RestTransport:
    """Posts pictures in turn, again and again.

    Args:
        pool: connections to the server.
        path: path of the route, with its query.
        pictures: encoded pictures, the bodies of the requests, by name.
        clock: clock of the run.
        headers: further headers of each request, a key's among them.
        verdicts: whether verdicts are read from the answers, which costs time.
    """

    def __init__(
        self,
        pool: HttpPool,
        path: str,
        pictures: Mapping[str, bytes],
        clock: LoadClock,
        *,
        headers: Mapping[str, str],
        verdicts: bool,
    ) -> None:
        self._pool = pool
        requests = [
            (name, request_head(pool.address, "POST", path, len(picture), headers), picture)
            for name, picture in pictures.items()
        ]
        self._requests = itertools.cycle(requests)
        self._reached = False
        self._clock = clock
        self._verdicts = verdicts

    async def ask(self, lane: int) -> RequestOutcome:
        """Posts the next picture; every lane may use every connection.

        Raises:
            UnreachableError: no request has found the server so far.
            takt_client.TaktError: the server refuses what it would refuse again.
        """
        name, head, picture = next(self._requests)
        try:
            response = await self._pool.ask(head, picture)
        except UnreachableError:
            if not self._reached:
                raise
            return RequestOutcome(self._clock.now_s(), 0, CONNECTION_FAILED)
        self._reached = True
        if is_final(response.status):
            error = refusal_of(response.status, response.body).error
            raise of_picture(error, response.status, name)
        ok = response.status == OK
        return RequestOutcome(
            ended_s=response.ended_s,
            status=response.status,
            code="ok" if ok else code_of(response),
            sent_bytes=len(picture),
            received_bytes=len(response.body),
            anomalous=ok and self._verdicts and orjson.loads(response.body)["anomalous"] is True,
        )


def code_of(response: HttpResponse) -> str:
    """Code of a problem; `http_502` and the like if the body is no problem."""
    try:
        return str(orjson.loads(response.body)["code"])
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return f"http_{response.status}"


async def first_model(pool: HttpPool, headers: Mapping[str, str]) -> str:
    """Name of the server's first model.

    Raises:
        UnreachableError: there is no server.
        UnreadableAnswerError: it is no Takt, or has no model.
        takt_client.TaktError: it refuses to say.
    """
    response = await pool.ask(request_head(pool.address, "GET", "/v1/models", 0, headers), b"")
    if response.status != OK:
        error = refusal_of(response.status, response.body).error
        if isinstance(error, InsufficientScopeError):
            raise InsufficientScopeError(f"{error}; or name the model with --model")
        raise error
    try:
        return str(orjson.loads(response.body)["models"][0]["name"])
    except (orjson.JSONDecodeError, TypeError, KeyError, IndexError) as error:
        raise UnreadableAnswerError(
            f"{pool.address.authority} lists no models; name one with --model, and check the URL"
        ) from error
