"""`/v1/stations`: how stations fare, and which recipe they are to put in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from takt.api.examples import FOREIGN_PAGE, SLOW_BODY
from takt.api.json_body import described_body, read_json
from takt.api.labels import Label
from takt.api.problems import caller_of, client_of, problem_responses, request_id_of
from takt.api.records.problems import record_responses
from takt.api.records.threads import RecordThreads
from takt.api.stations.schemas import (
    MOST_REPORT_BYTES,
    OneStationOut,
    RecipeWishedOut,
    RecipeWishOut,
    StationHeardOut,
    StationOut,
    StationRecipeIn,
    StationReportIn,
    StationsOut,
    StationStandingOut,
)
from takt.core.errors import (
    ConflictError,
    InvalidParameterError,
    RecipeNotFoundError,
    StationNotFoundError,
    TooManyStationsError,
)
from takt.recording.audit.entry import Change
from takt.recording.audit.trail import AuditTrail
from takt.recording.multiview.recipes import current_recipes
from takt.recording.search.times import time_of
from takt.stations.board import MOST_STATIONS, StationBoard, StationStanding
from takt.stations.flow import flow_of

StationName = Annotated[Label, Path(alias="station", description="The station's name.")]


def _no_recipe(number: int) -> RecipeNotFoundError:
    return RecipeNotFoundError(
        f"there is no recipe of the number {number}; GET /v1/recipes lists the recipes"
    )


_NO_STATION = StationNotFoundError(
    "no station 'press-1' says how it fares; GET /v1/stations lists those that do"
)
_SILENT = ConflictError(
    "station 'press-1' has said nothing for 12 s, and takes no recipe; look after it first"
)
_FULL = TooManyStationsError(
    f"{MOST_STATIONS} other stations say how they fare, as many as may be; give stations that are "
    "one the same name"
)
_NAMED = InvalidParameterError("station: String should have at most 128 characters")
_OF_ONE = problem_responses(_NO_STATION, _NAMED)
_PUTTING = problem_responses(
    _FULL, FOREIGN_PAGE, SLOW_BODY, InvalidParameterError("the body: run: Field required")
)
_WISHING = record_responses(
    *(_NO_STATION, _no_recipe(7), _SILENT, FOREIGN_PAGE, SLOW_BODY),
    InvalidParameterError("the body: number: Field required"),
)


@dataclass(frozen=True, slots=True)
class StationDesk:
    """Takes what stations say, and what is wanted of them.

    Attributes:
        board: has what they have said last.
        threads: work on the record, which has the recipes.
        trail: notes what somebody wants.
    """

    board: StationBoard
    threads: RecordThreads
    trail: AuditTrail

    async def name_of(self, number: int) -> str:
        """Name of the recipe of a number.

        Raises:
            RecipeNotFoundError: there is none.
        """
        for one in await self.threads.read(current_recipes):
            if one.content is not None and one.content["number"] == number:
                return one.name
        raise _no_recipe(number)


def stations_router(desk: StationDesk) -> APIRouter:
    """The routes of stations."""
    router = APIRouter(tags=["stations"])
    board = desk.board

    @router.get("/v1/stations")
    async def list_stations(request: Request) -> StationsOut:
        """The stations that say how they fare, silent ones included."""
        return StationsOut(
            request_id=request_id_of(request.scope),
            # Its moments are texts, as JSON has them.
            stations=[
                StationStandingOut.model_validate(_facts(one), strict=False) for one in board.all()
            ],
        )

    @router.get("/v1/stations/{station}", responses=_OF_ONE)
    async def get_station(request: Request, name: StationName) -> OneStationOut:
        """A station with its last results."""
        standing = board.of(name)
        return OneStationOut(
            request_id=request_id_of(request.scope),
            station=StationOut.model_validate(
                {**_facts(standing), "results": standing.report["results"]}, strict=False
            ),
        )

    @router.put(
        "/v1/stations/{station}",
        responses=_PUTTING,
        openapi_extra=described_body(StationReportIn, required=True),
    )
    async def report_station(request: Request, name: StationName) -> StationHeardOut:
        """Say how a station fares, about once a second; the answer is what is wanted of it.

        It is kept in memory: a station that says nothing for five seconds is silent, and after an
        hour it is forgotten.
        """
        said = await read_json(request, StationReportIn, most_bytes=MOST_REPORT_BYTES)
        report = said.model_dump(mode="json", exclude={"taken"})
        wish = board.put(name, report, said.taken)
        shown = None if wish is None else RecipeWishOut.model_validate(wish)
        return StationHeardOut(request_id=request_id_of(request.scope), wish=shown)

    @router.post(
        "/v1/stations/{station}/recipe",
        responses=_WISHING,
        openapi_extra=described_body(StationRecipeIn, required=True),
    )
    async def change_station_recipe(request: Request, name: StationName) -> RecipeWishedOut:
        """Put another recipe in force at a station, for the parts that are triggered from then on.

        The station hears of it within about a second, and says itself what is in force. Parts that
        have begun keep the recipe that they have.
        """
        given = await read_json(request, StationRecipeIn)
        desk.threads.check()
        before = board.of(name).report["recipe"]
        recipe = await desk.name_of(given.number)
        wish = await board.wish(name, given.number)
        who, client = caller_of(request.scope).name, client_of(request)
        change = Change(
            who,
            "station_recipe_changed",
            old={"station": name, "recipe": before["name"], "number": before["number"]},
            new={"station": name, "recipe": recipe, "number": given.number},
            reason=given.reason,
            client=client,
        )
        await desk.trail.note(change)
        return RecipeWishedOut(
            request_id=request_id_of(request.scope),
            station=name,
            recipe=recipe,
            wish=RecipeWishOut.model_validate(wish),
        )

    return router


def _facts(standing: StationStanding) -> Mapping[str, Any]:
    said = {name: one for name, one in standing.report.items() if name != "results"}
    state = "silent" if standing.silent else "online" if said["online"] else "offline"
    flow = flow_of(standing.report, standing.silent_s, silent=standing.silent)
    return {
        **said,
        "name": standing.name,
        "state": state,
        "flow": flow,
        "heard_at": time_of(standing.heard_us),
        "silent_ms": standing.silent_s * 1000,
        "wish": standing.wish,
    }
