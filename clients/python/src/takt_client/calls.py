"""The calls of the REST surface, each written once, for a network that blocks or does not."""

from __future__ import annotations

import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypedDict, TypeVar, Unpack, overload
from urllib.parse import quote, urlencode

import httpx
from websockets.asyncio.client import ClientConnection

from takt_client.connection import ClientOptions, Server, trace_headers
from takt_client.errors import InvalidParameterError
from takt_client.failures import overdue, refusal_of, unreachable
from takt_client.parts import (
    Part,
    PartChoices,
    Recipe,
    RecipeChoices,
    RecipeRevision,
    ViewChoices,
    ViewInspected,
    part_of,
    recipe_of,
    recipes_of,
    revisions_of,
    view_of,
)
from takt_client.pictures import ColorOrder, Picture, PixelArray
from takt_client.reading import inspected_of, model_of, models_of, readable, readiness_of
from takt_client.retry import Attempts, RetryClock, RetryPolicy
from takt_client.session import InspectChoices, StreamChoices, StreamSession, query_of
from takt_client.stations import (
    RecipeWish,
    Station,
    StationReport,
    station_of,
    stations_of,
    wish_of,
)
from takt_client.stream import HANDSHAKE_S, AsyncTaktStream
from takt_client.values import Inspected, Model, Readiness

T = TypeVar("T")

_LONGEST_TIMEOUT_MS = 3_600_000
_WAY_BACK_S = 0.1
_WAY_BACK_SHARE = 0.1
"""How much sooner than the client the server gives up, so that its answer still arrives."""
_OK = (200,)
_OK_OR_NOT_READY = (200, 503)


class _HttpOptions(TypedDict):
    base_url: str
    headers: Mapping[str, str]
    verify: ssl.SSLContext | bool


class Calls(ABC):
    """Calls of one server, over a network that a subclass chooses.

    Args:
        url: of the server, http://HOST:PORT.
        options: of the client.

    Raises:
        InvalidParameterError: the URL is none of a server, or an option cannot be used.
    """

    http: httpx.Client | httpx.AsyncClient

    def __init__(self, url: str, options: ClientOptions) -> None:
        self._server = Server.of(url, options)
        self._retry = options.get("retry") or RetryPolicy()
        self._clock = options.get("clock") or RetryClock()
        self._listener = options.get("listener")

    @property
    def _http_options(self) -> _HttpOptions:
        server = self._server
        return {"base_url": server.url, "headers": server.headers, "verify": server.tls or True}

    @overload
    async def inspect(
        self,
        model: str,
        picture: Picture,
        *,
        version: str | None = None,
        **choices: Unpack[InspectChoices],
    ) -> Inspected: ...
    @overload
    async def inspect(
        self,
        model: str,
        picture: Picture | PixelArray,
        *,
        color: ColorOrder,
        version: str | None = None,
        **choices: Unpack[InspectChoices],
    ) -> Inspected: ...
    async def inspect(
        self,
        model: str,
        picture: Picture | PixelArray,
        *,
        color: ColorOrder | None = None,
        version: str | None = None,
        **choices: Unpack[InspectChoices],
    ) -> Inspected:
        """Inspect a picture.

        Args:
            model: its name.
            picture: the bytes of a file, its path, an array uint8 [height, width, 3] or gray
                [height, width], or a `RawPicture`.
            color: order of an array's channels, `bgr` as OpenCV reads or `rgb`; an array of two
                axes is gray without it.
            version: of the model; else the active one.
            **choices: see `InspectChoices`; without `timeout_ms` the server is told how long this
                call still waits.
        """
        data = await self._encoded(picture, color)
        path = f"{model_path(model, version)}/inspect"
        query = query_of(choices)
        return await self._answer(
            "an inspection", inspected_of, "POST", path, content=data, query=query
        )

    @overload
    async def inspect_view(
        self,
        part: str,
        view: str,
        picture: Picture,
        *,
        recipe: str,
        **choices: Unpack[ViewChoices],
    ) -> ViewInspected: ...
    @overload
    async def inspect_view(
        self,
        part: str,
        view: str,
        picture: Picture | PixelArray,
        *,
        color: ColorOrder,
        recipe: str,
        **choices: Unpack[ViewChoices],
    ) -> ViewInspected: ...
    async def inspect_view(
        self,
        part: str,
        view: str,
        picture: Picture | PixelArray,
        *,
        recipe: str,
        color: ColorOrder | None = None,
        **choices: Unpack[ViewChoices],
    ) -> ViewInspected:
        """Inspect a view of a part, which begins with its first view and has one result.

        Where an answer was lost, the view may be with the server all the same; trying again then
        raises ViewTakenError or PartEndedError, and `part` has what became of it.

        Args:
            part: its id.
            view: its name in the recipe.
            picture: as for `inspect`.
            recipe: its name; the same with all views of a part.
            color: as for `inspect`.
            **choices: see `ViewChoices`.
        """
        data = await self._encoded(picture, color)
        path = f"{part_path(part)}/views/{_segment('view', view)}"
        query = {"recipe": recipe, **query_of(choices)}
        if "again" in query:
            query["again"] = str(query["again"]).lower()
        return await self._answer(
            "an inspection of a view", view_of, "POST", path, content=data, query=query
        )

    async def part(self, part: str, *, number: int | None = None, wait_ms: float = 0) -> Part:
        """What a part waits for, or what became of it.

        Args:
            part: its id.
            number: tells it from other parts of this id; None for the latest.
            wait_ms: longest wait for its result, within the deadline of the client's `retry`; what
                there is then is answered.
        """
        query = {} if number is None else {"number": number}
        return await self._answer(
            "a part", part_of, "GET", part_path(part), query=query, wait_ms=wait_ms
        )

    async def end_part(
        self, part: str, *, recipe: str | None = None, **choices: Unpack[PartChoices]
    ) -> Part:
        """End a part now; views that are missing make it undecided.

        Args:
            part: its id.
            recipe: name of the recipe of a part of which no view came, so that the record has it
                all the same; else a part that has not begun raises PartNotFoundError.
            **choices: what the record is to say of such a part; see `PartChoices`.
        """
        query = urlencode(query_of({"recipe": recipe, **choices}))
        path = f"{part_path(part)}/end"
        return await self._answer("a part", part_of, "POST", f"{path}?{query}" if query else path)

    async def recipes(self, *, number: int | None = None) -> tuple[Recipe, ...]:
        """The recipes as they are, by name.

        Args:
            number: that names one to a PLC; None for all.
        """
        path = "/v1/recipes" if number is None else f"/v1/recipes?number={number}"
        return await self._answer("a list of recipes", recipes_of, "GET", path)

    async def recipe(self, name: str, *, revision: int | None = None) -> Recipe:
        """A recipe as it is, or as it was at a revision."""
        path = recipe_path(name, revision=revision)
        return await self._answer("a recipe", recipe_of, "GET", path)

    async def recipe_revisions(
        self, name: str, *, before: int | None = None, limit: int | None = None
    ) -> tuple[RecipeRevision, ...]:
        """What a recipe has been, the latest revision first, also of one that was removed.

        Args:
            name: of the recipe.
            before: revisions before this one; None for the latest.
            limit: most revisions; else 20.
        """
        path = recipe_path(name, "/revisions", before=before, limit=limit)
        return await self._answer("a list of revisions", revisions_of, "GET", path)

    async def save_recipe(self, name: str, **choices: Unpack[RecipeChoices]) -> Recipe:
        """Save a recipe, as a new revision; parts that have begun keep the one that they have.

        Where an answer was lost, the recipe may be saved all the same; trying again then raises
        RecipeChangedError, or without `revision` saves it once more, and `recipe` has what it is.

        Args:
            name: of the recipe.
            **choices: see `RecipeChoices`.
        """
        content = json.dumps(choices).encode()
        return await self._answer("a recipe", recipe_of, "PUT", recipe_path(name), content=content)

    async def remove_recipe(
        self, name: str, *, revision: int | None = None, reason: str | None = None
    ) -> None:
        """Remove a recipe; parts that have begun keep it.

        Where an answer was lost, it may be removed all the same; trying again then raises
        RecipeNotFoundError.

        Args:
            name: of the recipe.
            revision: RecipeChangedError where it is at another one by now; None for any.
            reason: why, for the record and the audit log.
        """
        path = recipe_path(name, revision=revision, reason=reason)
        await self._answer("a removed recipe", lambda _: None, "DELETE", path)

    async def stations(self) -> tuple[Station, ...]:
        """The stations that say how they fare, by name; without their last results."""
        return await self._answer("a list of stations", stations_of, "GET", "/v1/stations")

    async def station(self, name: str) -> Station:
        """A station with its last results."""
        return await self._answer("a station", station_of, "GET", station_path(name))

    async def report_station(self, name: str, report: StationReport) -> RecipeWish | None:
        """Say how a station fares, about once a second.

        Args:
            name: of the station.
            report: how it fares.

        Returns:
            The recipe that it is to put in force; None where nobody wants another one.
        """
        content = json.dumps(report).encode()
        return await self._answer(
            "what a station is to do", wish_of, "PUT", station_path(name), content=content
        )

    async def change_station_recipe(
        self, name: str, number: int, *, reason: str | None = None
    ) -> RecipeWish:
        """Have a station put another recipe in force, for the parts that are triggered then.

        Args:
            name: of the station.
            number: of the recipe.
            reason: why, for the server's audit log.
        """
        content = json.dumps({"number": number, "reason": reason}).encode()
        path = f"{station_path(name)}/recipe"
        wish = await self._answer("a wish", wish_of, "POST", path, content=content)
        assert wish is not None
        return wish

    async def models(self) -> tuple[Model, ...]:
        """Every model of the server."""
        return await self._answer("a list of models", models_of, "GET", "/v1/models")

    async def model(self, name: str) -> Model:
        """One model and its versions."""
        return await self._answer("a model", model_of, "GET", model_path(name))

    async def ready(self) -> Readiness:
        """Whether every model answers; one that does not is an answer and no error."""
        return await self._answer(
            "a server's readiness", readiness_of, "GET", "/health/ready", statuses=_OK_OR_NOT_READY
        )

    @abstractmethod
    async def _send(self, request: httpx.Request, attempts: Attempts) -> httpx.Response:
        """The whole response; a TimeoutError or httpx.ReadTimeout if it came too late."""

    @abstractmethod
    async def _wait(self, delay_s: float) -> None:
        """Wait before the next attempt."""

    @abstractmethod
    async def _encoded(self, picture: Picture | PixelArray, color: ColorOrder | None) -> bytes:
        """The picture as the bytes of a file."""

    async def _answer(
        self,
        what: str,
        read: Callable[[Any], T],
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        query: Mapping[str, Any] | None = None,
        wait_ms: float | None = None,
        statuses: tuple[int, ...] = _OK,
    ) -> T:
        """Ask until there is an answer or the policy gives up.

        Args:
            what: the answer, for messages.
            read: makes the answer from the JSON; raises what a wrong field raises.
            method: of HTTP.
            path: below the server's URL.
            content: body of the request.
            query: its parameters; if there is one, the server is told how long the call waits.
            wait_ms: for which the server may wait before it answers; None where it never does.
            statuses: those that carry an answer.
        """
        attempts = self._attempts()
        while True:
            try:
                request = self._request(method, path, content, query, wait_ms, attempts.remaining_s)
                response = await self._send(request, attempts)
            except (httpx.ReadTimeout, TimeoutError) as error:
                # Whoever sends no picture waits for no engine: the server is away.
                away = content is None and not attempts.over
                refusal = (unreachable if away else overdue)(self._server.url, error)
            except httpx.TransportError as error:
                refusal = unreachable(self._server.url, error)
            else:
                if response.status_code in statuses:
                    attempts.succeeded()
                    with readable(what, response.content):
                        return read(response.json())
                retry_after = response.headers.get("retry-after")
                refusal = refusal_of(response.status_code, response.content, retry_after)
            await self._wait(attempts.delay_s(refusal))

    def _request(
        self,
        method: str,
        path: str,
        content: bytes | None,
        query: Mapping[str, Any] | None,
        wait_ms: float | None,
        remaining_s: float,
    ) -> httpx.Request:
        sooner_s = remaining_s - min(_WAY_BACK_S, _WAY_BACK_SHARE * remaining_s)
        left_ms = min(round(sooner_s * 1000, 3), _LONGEST_TIMEOUT_MS)
        silent_s = HANDSHAKE_S
        if wait_ms is not None:
            query = {"wait_ms": min(wait_ms, left_ms), **(query or {})}
            silent_s += wait_ms / 1000
        elif query is not None:
            query = {"timeout_ms": left_ms, **query}
        return self.http.build_request(
            method,
            path,
            params=query,
            content=content,
            headers=trace_headers(),
            # A caller who is not even connected by then hears that, and not of the deadline. One
            # silent attempt does not use it up.
            timeout=httpx.Timeout(
                remaining_s if content is not None else min(remaining_s, silent_s),
                connect=min(sooner_s, HANDSHAKE_S),
            ),
        )

    def _stream(
        self,
        model: str,
        version: str | None,
        choices: StreamChoices,
        sleep: Callable[[float], Awaitable[object]] | None,
    ) -> AsyncTaktStream:
        path = f"{model_path(model, version)}/stream"
        headers = trace_headers()

        async def open_connection(within_s: float) -> ClientConnection:
            return await self._server.open_websocket(path, headers, within_s)

        url = self._server.stream_url(path)
        return AsyncTaktStream(url, StreamSession(choices), open_connection, self._attempts, sleep)

    def _attempts(self) -> Attempts:
        return Attempts(self._retry, self._clock, self._listener)


def part_path(part: str) -> str:
    """Path of a part below a server's URL."""
    return f"/v1/parts/{_segment('part', part)}"


def recipe_path(name: str, below: str = "", **parameters: object) -> str:
    """Path of a recipe below a server's URL, with the parameters that are not None."""
    given = {key: value for key, value in parameters.items() if value is not None}
    query = f"?{urlencode(given)}" if given else ""
    return f"/v1/recipes/{_segment('recipe', name)}{below}{query}"


def station_path(name: str) -> str:
    """Path of a station below a server's URL."""
    return f"/v1/stations/{_segment('station', name)}"


def model_path(model: str, version: str | None = None) -> str:
    """Path of a model, or of one of its versions, below a server's URL."""
    path = f"/v1/models/{_segment('model', model)}"
    return path if version is None else f"{path}/versions/{_segment('version', version)}"


def _segment(what: str, name: str) -> str:
    """A name as a part of a path.

    Raises:
        InvalidParameterError: it is no name, such as the version 1 for `"1"`.
    """
    if isinstance(name, str) and name:
        return quote(name, safe="")
    remedy = f"give {f'{name}'!r}" if isinstance(name, int) else "give its name"
    raise InvalidParameterError(f"the {what} is {name!r}, which is no name; {remedy}")
