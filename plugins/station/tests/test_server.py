from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from takt.sources.pacing import Shot
from takt_client import AsyncTaktClient
from takt_station.cycle.effects import PartDecision, PartInCycle
from takt_station.cycle.signals import NoDecisionReason, ResultCode
from takt_station.inspector import InspectorAwayError, StationRecipe
from takt_station.server import ServerInspector, try_within

PART = PartInCycle(12, 12, 1017, 7, 100.0, 100.1)
TWO = StationRecipe(7, "bracket", ("top", "side"), codes=("AB-*",))
SHOTS = {"top": Shot("top", 0, b"top picture"), "side": Shot("side", 0, b"side picture")}
INSPECTED = {
    "request_id": "r",
    "model": "parts",
    "version": "1",
    "score": 0.4,
    "threshold": 0.5,
    "anomalous": False,
    "verdict": "good",
    "undecided": None,
    "percentile": 50.0,
    "image": {"width": 4, "height": 4},
    "inspected": [0, 0, 4, 4],
    "regions": [],
    "warnings": [],
    "heatmap": None,
    "timings_ms": dict.fromkeys(
        ("decode", "preprocess", "queue", "engine", "postprocess", "render", "total"), 1.0
    ),
}


def result(verdict: str = "good", reason: str | None = None) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "reason": reason,
        "score": 0.8,
        "view": "top",
        "ended_by": "views",
        "ended_at": "2026-03-01T12:00:01Z",
        "views": [],
    }


class Server:
    """Answers each view; the last one of a part has its result."""

    def __init__(self, ended: dict[str, Any] | None, views: int = 2) -> None:
        self.ended = ended
        self.views = views
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        last = len(self.requests) == self.views
        answer = {
            "request_id": "r",
            "part": "p",
            "number": 1,
            "recipe": "bracket",
            "revision": 1,
            "view": request.url.path.rpartition("/")[2],
            "inspection": INSPECTED,
            "result": self.ended if last else None,
        }
        return httpx.Response(200, json=answer)


def problem(status: int, code: str) -> httpx.Response:
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": "no"}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json"})


def ask(
    answer: Callable[[httpx.Request], httpx.Response],
    question: Callable[[ServerInspector], Any],
) -> Any:
    async def asked() -> Any:
        transport = httpx.MockTransport(answer)
        retry = try_within(100)
        async with AsyncTaktClient("http://takt", transport=transport, retry=retry) as client:
            return await question(ServerInspector(client, "line3", "20260301T120000"))

    return asyncio.run(asked())


def inspect(
    answer: Callable[[httpx.Request], httpx.Response],
    part: PartInCycle = PART,
    recipe: StationRecipe = TWO,
) -> PartDecision:
    found = ask(answer, lambda inspector: inspector.inspect(part, recipe, SHOTS, 0.08))
    assert isinstance(found, PartDecision)
    return found


def test_every_view_is_sent_as_one_of_the_part_with_the_time_that_is_left() -> None:
    server = Server(result())
    inspect(server)

    assert sorted(one.url.path for one in server.requests) == [
        "/v1/parts/line3-20260301T120000-12/views/side",
        "/v1/parts/line3-20260301T120000-12/views/top",
    ]
    query = dict(server.requests[0].url.params)
    assert (query["recipe"], query["station"], query["tags"]) == (
        "bracket",
        "line3",
        "plc_part=1017",
    )
    assert float(query["timeout_ms"]) == pytest.approx(80)


def test_a_part_without_a_picture_is_ended_on_the_server_so_that_its_record_has_it() -> None:
    requests: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return problem(404, "recipe_not_found")

    assert ask(refuse, lambda inspector: inspector.missed(replace(PART, lot="L7"), TWO)) is None
    (asked,) = requests
    assert asked.url.path == "/v1/parts/line3-20260301T120000-12/end"
    assert dict(asked.url.params) == {
        "recipe": "bracket",
        "station": "line3",
        "lot": "L7",
        "tags": "plc_part=1017",
    }


def test_a_part_s_lot_and_code_go_with_each_of_its_views() -> None:
    server = Server(result())
    inspect(server, replace(PART, lot="L7", code="AB-1,2=3"))

    for request in server.requests:
        query = dict(request.url.params)
        assert (query["lot"], query["tags"]) == ("L7", "plc_part=1017,code=AB-1;2=3")


@pytest.mark.parametrize("nothing", ["", None])
def test_what_a_part_does_not_have_or_nobody_could_read_is_left_out(nothing: str | None) -> None:
    server = Server(result())
    inspect(server, replace(PART, lot=nothing, code=nothing))

    query = dict(server.requests[0].url.params)
    assert query["tags"] == "plc_part=1017"
    assert "lot" not in query


def test_a_recipe_that_was_changed_since_its_code_was_matched_is_no_decision() -> None:
    by_code = replace(PART, by_code=True)
    known = replace(TWO, revision=2)

    assert inspect(Server(result()), by_code, TWO).code is ResultCode.OK
    assert inspect(Server(result()), by_code, known).reason is NoDecisionReason.RECIPE
    # By its number a part has what is in force at the server.
    assert inspect(Server(result()), PART, known).code is ResultCode.OK


@pytest.mark.parametrize(
    ("ended", "decision"),
    [
        (result(), PartDecision(ResultCode.OK, None, 0.8)),
        (result("defect"), PartDecision(ResultCode.NG, None, 0.8)),
        (
            result("undecided", "undecided"),
            PartDecision(ResultCode.NO_DECISION, NoDecisionReason.UNDECIDED, 0.8),
        ),
        (
            result("undecided", "missing_view"),
            PartDecision(ResultCode.NO_DECISION, NoDecisionReason.VIEW, 0.8),
        ),
    ],
)
def test_the_part_s_result_is_the_decision(ended: dict[str, Any], decision: PartDecision) -> None:
    assert inspect(Server(ended)) == decision


def test_a_part_whose_result_nobody_has_is_no_decision() -> None:
    assert inspect(Server(None)).reason is NoDecisionReason.VIEW


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (problem(429, "queue_full"), NoDecisionReason.REFUSED),
        (problem(504, "deadline_exceeded"), NoDecisionReason.DEADLINE),
        (problem(404, "recipe_not_found"), NoDecisionReason.RECIPE),
        (problem(409, "recipe_outdated"), NoDecisionReason.RECIPE),
        (problem(400, "invalid_image"), NoDecisionReason.REFUSED),
    ],
)
def test_a_refusal_is_no_decision_with_its_reason(
    answer: httpx.Response, reason: NoDecisionReason
) -> None:
    decision = inspect(lambda request: answer)

    assert (decision.code, decision.reason) == (ResultCode.NO_DECISION, reason)
    assert math.isnan(decision.score)


def nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is there", request=request)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (nobody, NoDecisionReason.UNREACHABLE),
        (lambda request: problem(429, "queue_full"), NoDecisionReason.REFUSED),
        (lambda request: problem(503, "not_ready"), NoDecisionReason.REFUSED),
    ],
)
def test_a_server_that_refuses_or_is_not_there_is_asked_once_whatever_chance_says(
    answer: Callable[[httpx.Request], httpx.Response], reason: NoDecisionReason
) -> None:
    asked: list[httpx.Request] = []

    def count(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer(request)

    one_view = {"top": SHOTS["top"]}

    async def often(inspector: ServerInspector) -> list[PartDecision]:
        return [await inspector.inspect(PART, TWO, one_view, 0.08) for _ in range(40)]

    decisions = ask(count, often)
    assert {one.reason for one in decisions} == {reason}
    assert len(asked) == 40


def test_a_server_is_ready_when_it_says_so_and_not_when_it_is_away() -> None:
    ready = httpx.Response(200, json={"ready": True, "models": []})

    assert ask(lambda request: ready, lambda one: one.ready()) is True
    assert ask(nobody, lambda one: one.ready()) is False


def test_a_recipe_is_found_by_its_number() -> None:
    said = {"name": "bracket", "number": 7, "revision": 1, "alpha": 0.01, "deadline_ms": 800}
    said |= {
        "outdated": [],
        "changed_at": "2026-03-01T12:00:01Z",
        "changed_by": "leader",
        "reason": None,
    }
    thresholds = {"image": 0.4, "pixel": 0.5, "source": "hand"}
    views = [
        {
            "name": name,
            "model": "m",
            "version": "1",
            "graph": "0",
            "thresholds": thresholds,
            "camera": {},
        }
        for name in ("top", "side")
    ]
    recipes = [{**said, "views": views, "codes": ["AB-*"]}]
    some = httpx.Response(200, json={"request_id": "r", "recipes": recipes})
    none = httpx.Response(200, json={"request_id": "r", "recipes": []})

    assert ask(lambda request: some, lambda one: one.recipe(7)) == TWO
    assert ask(lambda request: none, lambda one: one.recipe(7)) is None
    with pytest.raises(InspectorAwayError):
        ask(nobody, lambda one: one.recipe(7))
    assert ask(lambda request: some, lambda one: one.recipes()) == (TWO,)
    assert ask(lambda request: none, lambda one: one.recipes()) == ()
    with pytest.raises(InspectorAwayError):
        ask(nobody, lambda one: one.recipes())
