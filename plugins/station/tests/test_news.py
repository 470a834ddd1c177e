from __future__ import annotations

import math

from takt_station.cycle.effects import (
    CameLate,
    Faulted,
    Given,
    PartDecision,
    PartInCycle,
    no_decision,
)
from takt_station.cycle.signals import NoDecisionReason, ResultCode
from takt_station.inspector import StationRecipe
from takt_station.news import MOST_RESULTS, StationNews

RECIPE = StationRecipe(7, "bracket", ("top",))


def given(sequence: int, decision: PartDecision, took_s: float = 0.02, shown: bool = True) -> Given:
    part = PartInCycle(sequence, sequence, 100 + sequence, 7, 1.0, 1.1)
    return Given(part, decision, sequence, 1.0 + took_s, shown)


def news() -> StationNews:
    return StationNews(lambda sequence: f"press-1-run-{sequence}", lambda: 0.0)


def test_results_are_told_with_the_id_of_their_part_on_the_server() -> None:
    heard = news()
    heard.given(given(1, PartDecision(ResultCode.OK, None, 0.25)), RECIPE)
    heard.given(given(2, no_decision(NoDecisionReason.OFFLINE)), None)
    first, second = heard.said["results"]
    assert first == {
        "part": 101,
        "part_id": "press-1-run-1",
        "at": "1970-01-01T00:00:00.000+00:00",
        "result": "ok",
        "reason": None,
        "score": 0.25,
        "decided_by": None,
        "witness": None,
        "took_ms": 20.0,
        "shown": True,
        "late": None,
    }
    assert (second["part_id"], second["reason"], second["score"]) == (None, "offline", None)


def test_a_late_verdict_is_told_with_its_own_part() -> None:
    heard = news()
    missed = given(1, no_decision(NoDecisionReason.DEADLINE), 0.1)
    heard.given(missed, RECIPE)
    heard.given(given(2, PartDecision(ResultCode.OK, None, math.inf)), RECIPE)
    heard.came_late(CameLate(missed.part, PartDecision(ResultCode.NG, None, 3.0), 14.5))
    first, second = heard.said["results"]
    assert first["late"] == {"result": "ng", "late_ms": 14.5}
    assert (second["late"], second["score"]) == (None, None)
    assert heard.said["counts"]["late"] == 1


def test_everything_is_counted_and_the_last_results_alone_are_kept() -> None:
    heard = news()
    assert heard.said["times"] is None
    for number in range(MOST_RESULTS + 10):
        heard.given(given(number, PartDecision(ResultCode.NG, None, 1.0), number / 1000), RECIPE)
    heard.given(given(99, no_decision(NoDecisionReason.BUSY), 0.2, shown=False), None)
    heard.faulted(Faulted(3))
    said = heard.said
    assert said["counts"] == {
        "ok": 0,
        "ng": MOST_RESULTS + 10,
        "no_decision": {"busy": 1},
        "late": 0,
        "lost": 1,
        "faults": 1,
    }
    assert [one["part"] for one in said["results"]] == [*range(111, 160), 199]
    assert said["times"]["parts"] == MOST_RESULTS + 11
    assert said["times"]["worst_ms"] == 200.0
