"""Views of parts, sent and read by both clients."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from takt_client import RetryPolicy
from takt_client.errors import (
    PartEndedError,
    RecipeChangedError,
    UnreadableAnswerError,
    ViewTakenError,
)
from takt_client.values import PartView
from test_rest import respond

SIDE: dict[str, Any] = {
    "view": "side",
    "state": "inspected",
    "request_id": "r1",
    "inspection_id": 17,
    "model": "parts",
    "version": "1",
    "verdict": "defect",
    "score": 0.75,
    "threshold": 0.5,
    "scaled": 1.5,
}
TOP: dict[str, Any] = {**dict.fromkeys(SIDE), "view": "top", "state": "missing"}
RESULT: dict[str, Any] = {
    "verdict": "undecided",
    "reason": "missing_view",
    "score": 1.5,
    "view": "side",
    "ended_by": "deadline",
    "ended_at": "2026-03-01T12:00:01Z",
    "views": [TOP, SIDE],
}
PART: dict[str, Any] = {
    "part": "A-17",
    "number": 5,
    "recipe": "bracket",
    "revision": 3,
    "state": "ended",
    "began_at": "2026-03-01T12:00:00Z",
    "left_ms": None,
    "views": [TOP, SIDE],
    "result": RESULT,
}


def answer(wire, result: dict[str, Any] | None) -> httpx.Response:
    said = {name: PART[name] for name in ("part", "number", "recipe", "revision")}
    inspection = wire.inspection(request_id="r1")
    body = {"request_id": "r1", **said, "view": "side", "inspection": inspection, "result": result}
    return httpx.Response(200, json=body)


def test_a_view_is_sent_in_utf_8_with_its_recipe_and_what_else_is_chosen(call, wire) -> None:
    server = respond(answer(wire, None))
    found = call(
        *(server, "inspect_view", "A/17", "Å", b"jpeg"),
        recipe="bracket",
        again=True,
        lot="L1",
        tags={"shift": "2"},
    )
    (request,) = server.requests
    assert request.method == "POST" and request.content == b"jpeg"
    assert request.url.raw_path.startswith(b"/v1/parts/A%2F17/views/%C3%85?")
    sent = request.url.params
    assert [sent[name] for name in ("recipe", "again", "lot", "tags")] == [
        *("bracket", "true", "L1"),
        "shift=2",
    ]
    assert (found.part, found.number, found.revision, found.result) == ("A-17", 5, 3, None)
    assert found.inspected.score == 0.75


def test_the_last_view_s_answer_has_the_result_of_the_part(call, wire) -> None:
    server = respond(answer(wire, RESULT))
    result = call(server, "inspect_view", "A-17", "side", b"-", recipe="bracket").result
    assert (result.verdict, result.reason, result.view) == ("undecided", "missing_view", "side")
    missing, seen = result.views
    assert (missing.state, missing.score) == ("missing", None)
    assert seen == PartView(**SIDE)


@pytest.mark.parametrize(
    ("code", "error"), [("view_taken", ViewTakenError), ("part_ended", PartEndedError)]
)
def test_a_view_that_does_not_belong_is_an_error_of_its_own(call, wire, code, error) -> None:
    refused = httpx.Response(409, json=wire.problem(code, 409))
    with pytest.raises(error):
        call(respond(refused), "inspect_view", "A", "side", b"-", recipe="bracket")


def test_a_part_is_asked_for_and_waited_for(call) -> None:
    open_part = {**PART, "state": "open", "left_ms": 90.5, "result": None}
    server = respond(httpx.Response(200, json={"request_id": "r", "part": open_part}))
    found = call(server, "part", "A-17", number=5, wait_ms=20)
    (request,) = server.requests
    assert (request.method, request.url.path) == ("GET", "/v1/parts/A-17")
    assert dict(request.url.params) == {"wait_ms": "20", "number": "5"}
    assert (found.state, found.left_ms, found.result) == ("open", 90.5, None)


@pytest.mark.parametrize(
    ("wait_ms", "told_ms", "silent_s"), [(12_000, 12_000, 22.0), (60_000, 29_900, 30.0)]
)
def test_a_server_that_waits_for_a_part_is_not_taken_for_one_that_is_away(
    call, wait_ms, told_ms, silent_s
) -> None:
    server = respond(httpx.Response(200, json={"request_id": "r", "part": PART}))
    call(server, "part", "A-17", wait_ms=wait_ms, retry=RetryPolicy(deadline_s=30))
    (request,) = server.requests
    assert float(request.url.params["wait_ms"]) == told_ms
    assert request.extensions["timeout"]["read"] == silent_s


def test_a_part_is_ended(call) -> None:
    server = respond(httpx.Response(200, json={"request_id": "r", "part": PART}))
    found = call(server, "end_part", "A-17")
    assert [(one.method, one.url.path) for one in server.requests] == [
        ("POST", "/v1/parts/A-17/end")
    ]
    assert found.result.ended_by == "deadline"


def test_a_verdict_is_not_guessed(call) -> None:
    other = {**PART, "result": {**RESULT, "verdict": "perhaps"}}
    server = respond(httpx.Response(200, json={"request_id": "r", "part": other}))
    with pytest.raises(UnreadableAnswerError):
        call(server, "part", "A-17")


VIEW: dict[str, Any] = {
    "name": "top",
    "model": "parts",
    "version": "2",
    "graph": "0a",
    "thresholds": {"image": 0.4, "pixel": 0.5, "source": "hand"},
    "camera": {"exposure_us": 900.0, "light": "ring"},
}
RECIPE: dict[str, Any] = {
    "name": "bracket",
    "number": 7,
    "revision": 3,
    "alpha": 0.01,
    "deadline_ms": 800.0,
    "views": [VIEW],
    "outdated": ["top"],
    "changed_at": "2026-03-01T12:00:00Z",
    "changed_by": "leader",
    "reason": None,
}


def test_recipes_are_read_with_what_judges_and_takes_each_view(call) -> None:
    server = respond(httpx.Response(200, json={"request_id": "r", "recipes": [RECIPE]}))
    (recipe,) = call(server, "recipes", number=7)
    assert server.requests[0].url.raw_path == b"/v1/recipes?number=7"
    assert (recipe.name, recipe.revision, recipe.deadline_ms) == ("bracket", 3, 800.0)
    assert (recipe.changed_by, recipe.reason, recipe.outdated) == ("leader", None, ("top",))
    (top,) = recipe.views
    assert (top.threshold, top.pixel_threshold, top.source) == (0.4, 0.5, "hand")
    assert top.camera == {"exposure_us": 900.0, "light": "ring"}
    # As a server says it that knows no codes.
    assert recipe.codes == ()
    body = {"request_id": "r", "recipes": [{**RECIPE, "codes": ["AB-*"]}]}
    server = respond(httpx.Response(200, json=body))
    assert call(server, "recipes")[0].codes == ("AB-*",)


def test_a_recipe_is_read_as_it_is_or_was(call) -> None:
    server = respond(httpx.Response(200, json={"request_id": "r", "recipe": RECIPE}))
    assert call(server, "recipe", "brack et", revision=3).revision == 3
    assert server.requests[0].url.raw_path == b"/v1/recipes/brack%20et?revision=3"


def test_revisions_of_a_recipe_are_read_and_one_that_removed_it_has_none(call) -> None:
    saved = {"changed_at": "2026-03-01T12:00:00Z", "changed_by": "leader", "reason": "gone"}
    revisions = [
        {"revision": number, **saved, "recipe": recipe}
        for number, recipe in ((4, None), (3, RECIPE))
    ]
    body = {"request_id": "r", "name": "bracket", "revisions": revisions}
    server = respond(httpx.Response(200, json=body))
    removed, before = call(server, "recipe_revisions", "bracket", before=5)
    assert server.requests[0].url.raw_path == b"/v1/recipes/bracket/revisions?before=5"
    assert (removed.recipe, removed.reason) == (None, "gone")
    assert before.recipe.views[0].name == "top"


def test_a_recipe_is_saved_with_what_is_said_of_it_alone(call) -> None:
    server = respond(httpx.Response(200, json={"request_id": "r", "recipe": RECIPE}))
    view = {"name": "top", "model": "parts"}
    saved = call(
        *(server, "save_recipe", "bracket"), number=7, deadline_ms=800, views=[view], revision=2
    )
    (request,) = server.requests
    assert (request.method, request.url.path) == ("PUT", "/v1/recipes/bracket")
    assert json.loads(request.content) == {
        **{"number": 7, "deadline_ms": 800, "views": [view]},
        "revision": 2,
    }
    assert saved.revision == 3


def test_a_recipe_that_somebody_else_has_changed_is_an_error_of_its_own(call, wire) -> None:
    refused = httpx.Response(409, json=wire.problem("recipe_changed", 409))
    with pytest.raises(RecipeChangedError):
        call(respond(refused), "save_recipe", "bracket", number=7, deadline_ms=800, views=[])


def test_a_recipe_is_removed_with_a_reason(call) -> None:
    body = {"request_id": "r", "name": "bracket", "revision": 4}
    server = respond(httpx.Response(200, json=body))
    assert call(server, "remove_recipe", "bracket", revision=3, reason="no such parts") is None
    (request,) = server.requests
    assert request.method == "DELETE"
    assert request.url.raw_path == b"/v1/recipes/bracket?revision=3&reason=no+such+parts"
