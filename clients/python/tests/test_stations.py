"""Stations, read, reported and changed by both clients."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from takt_client.errors import StationNotFoundError
from takt_client.stations import RecipeWish, StationCamera
from test_rest import respond

WISH = {"number": 7, "sequence": 51}
RESULT: dict[str, Any] = {
    "part": 17,
    "part_id": None,
    "at": "2026-03-01T12:00:00Z",
    "result": "no_decision",
    "reason": "deadline",
    "score": None,
    "took_ms": 120.0,
    "shown": True,
    "late": {"result": "ok", "late_ms": 14.5},
}
STATION: dict[str, Any] = {
    "name": "press 1",
    "state": "silent",
    "offline_reason": None,
    "heard_at": "2026-03-01T12:00:00Z",
    "silent_ms": 7000.0,
    "plc": {"connected": True, "heard_at": None},
    "server_ready": True,
    "cameras": [{"name": "top", "well": False}],
    "recipe": {"number": 3, "name": "bracket", "changing": False},
    "result_ms": 120.0,
    "counts": {"ok": 1, "ng": 0, "no_decision": {}, "late": 0, "lost": 0, "faults": 0},
    "wish": WISH,
}


def test_stations_are_listed_and_one_is_read_with_its_results(call) -> None:
    server = respond(httpx.Response(200, json={"request_id": "r", "stations": [STATION]}))
    (listed,) = call(server, "stations")
    assert (listed.state, listed.plc_connected, listed.results) == ("silent", True, ())
    assert (listed.recipe_number, listed.recipe) == (3, "bracket")
    assert listed.cameras == (StationCamera("top", False),)
    assert listed.wish == RecipeWish(7, 51)
    assert listed.flow is None  # of a server before API 2.11
    whole = {**STATION, "flow": "silent", "results": [RESULT]}
    server = respond(httpx.Response(200, json={"request_id": "r", "station": whole}))
    found = call(server, "station", "press 1")
    assert server.requests[0].url.raw_path == b"/v1/stations/press%201"
    assert found.flow == "silent"
    assert (found.results[0].late_ms, found.results[0].reason) == (14.5, "deadline")


def test_a_report_is_answered_with_what_is_wanted(call) -> None:
    for wish in (None, WISH):
        server = respond(httpx.Response(200, json={"request_id": "r", "wish": wish}))
        heard = call(server, "report_station", "press 1", {"run": "7"})
        assert heard == (None if wish is None else RecipeWish(7, 51))
        (request,) = server.requests
        assert (request.method, json.loads(request.content)) == ("PUT", {"run": "7"})


def test_another_recipe_is_wanted_of_a_station(call) -> None:
    answer = {"request_id": "r", "station": "press 1", "recipe": "bracket", "wish": WISH}
    server = respond(httpx.Response(200, json=answer))
    assert call(server, "change_station_recipe", "press 1", 7, reason="a lot") == RecipeWish(7, 51)
    (request,) = server.requests
    assert (request.method, request.url.path) == ("POST", "/v1/stations/press 1/recipe")
    assert json.loads(request.content) == {"number": 7, "reason": "a lot"}


def test_a_station_that_nobody_knows_is_an_error_of_its_own(call) -> None:
    problem = {"code": "station_not_found", "title": "Station not found", "detail": "no station"}
    server = respond(httpx.Response(404, json=problem))
    with pytest.raises(StationNotFoundError, match="no station"):
        call(server, "station", "press 1")
