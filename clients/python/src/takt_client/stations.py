"""Stations: how they fare, as values, and what one of them says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from takt_client.reading import Json, record_of

StationReport = Mapping[str, Any]
"""What `PUT /v1/stations/{station}` takes, as JSON has it; `StationReportIn` of the API's document
says what that is."""


class StationCounts(TypedDict):
    """Parts since a station began, by their results.

    Attributes:
        ok: passed.
        ng: rejected.
        no_decision: by the reason.
        late: verdicts that came after their part's result.
        lost: results that no PLC read.
        faults: how often verdicts came late several times in a row.
    """

    ok: int
    ng: int
    no_decision: Mapping[str, int]
    late: int
    lost: int
    faults: int


@dataclass(frozen=True, slots=True)
class RecipeWish:
    """A recipe that somebody wants in force at a station.

    Attributes:
        number: of the recipe.
        sequence: of the wish; a later one has a higher one.
    """

    number: int
    sequence: int


@dataclass(frozen=True, slots=True)
class StationCamera:
    """A camera of a station.

    Attributes:
        name: of the camera, and of the view that it takes.
        well: whether it answers.
    """

    name: str
    well: bool


@dataclass(frozen=True, slots=True)
class StationResult:
    """The result of a part.

    Attributes:
        part: as the PLC has named it.
        part_id: id of the part on the server; None where it was not asked.
        at: UTC, ISO 8601.
        result: `ok`, `ng` or `no_decision`.
        reason: why there is no decision; else None.
        score: of the part; None without one.
        took_ms: from the trigger's edge to the result.
        shown: whether a PLC could read it.
        late_ms: how much too late its verdict came; None where none did.
    """

    part: int
    part_id: str | None
    at: str
    result: str
    reason: str | None
    score: float | None
    took_ms: float
    shown: bool
    late_ms: float | None


@dataclass(frozen=True, slots=True)
class Station:
    """A station, as it has said last how it fares.

    Attributes:
        name: of the station.
        state: `online`, `offline` or `silent`.
        offline_reason: `set_offline`, `engine`, `camera` or `fault`; None while it takes parts.
        heard_at: when it said so: UTC, ISO 8601.
        silent_ms: time since then.
        plc_connected: whether a PLC reads and writes.
        server_ready: whether every model of the server was ready.
        cameras: of the station.
        recipe_number: of the recipe in force; 0 where none is.
        recipe: name of that; None where none is.
        result_ms: time from a trigger to its result, at most.
        counts: of parts since it began.
        wish: the recipe that it is to take; None without one.
        results: the last ones, the newest last; none in a list of stations.
        flow: `flowing`, or what keeps parts from it, such as `no_plc` or `camera`; None from a
            server before API 2.11.
    """

    name: str
    state: str
    offline_reason: str | None
    heard_at: str
    silent_ms: float
    plc_connected: bool
    server_ready: bool
    cameras: tuple[StationCamera, ...]
    recipe_number: int
    recipe: str | None
    result_ms: float
    counts: StationCounts
    wish: RecipeWish | None
    results: tuple[StationResult, ...]
    flow: str | None = None


def stations_of(answer: Json) -> tuple[Station, ...]:
    """From the JSON of `GET /v1/stations`."""
    return tuple(_station(one) for one in answer["stations"])


def station_of(answer: Json) -> Station:
    """From the JSON of `GET /v1/stations/{station}`."""
    return _station(answer["station"])


def wish_of(answer: Json) -> RecipeWish | None:
    """From the JSON of `PUT /v1/stations/{station}`."""
    wish = answer["wish"]
    return None if wish is None else record_of(RecipeWish, wish)


def _station(one: Json) -> Station:
    recipe = one["recipe"]
    return record_of(
        Station,
        one,
        plc_connected=one["plc"]["connected"],
        cameras=tuple(record_of(StationCamera, camera) for camera in one["cameras"]),
        recipe_number=recipe["number"],
        recipe=recipe["name"],
        wish=wish_of(one),
        results=_results(one.get("results", ())),
        flow=one.get("flow"),
    )


def _results(results: Sequence[Json]) -> tuple[StationResult, ...]:
    return tuple(
        record_of(
            StationResult, one, late_ms=None if one["late"] is None else one["late"]["late_ms"]
        )
        for one in results
    )
