from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

from takt.stations.flow import Flow, flow_of
from tests.api.stations.reports import AT, REPORT, RESULT

ROOT = Path(__file__).parents[4]
NO_RECIPE = {"number": 0, "name": None, "changing": False}


def parts(*results: str, ago_s: float = 1.0, apart_s: float = 1.0) -> list[dict[str, Any]]:
    """Results, the newest last and so long ago."""
    last = datetime.fromisoformat(AT) - timedelta(seconds=ago_s)
    at = [last - timedelta(seconds=apart_s * back) for back in reversed(range(len(results)))]
    return [
        {**RESULT, "result": result, "at": moment.isoformat()}
        for result, moment in zip(results, at, strict=True)
    ]


def flow(silent_s: float = 0.5, **changed: Any) -> Flow:
    """Of a station whose parts flow but for what is changed."""
    said = {**REPORT, "results": parts("ok", "ng", "no_decision"), **changed}
    return flow_of(said, silent_s, silent=silent_s > 5)


def test_parts_flow_that_come_and_have_decisions() -> None:
    assert flow() == "flowing"
    assert flow(results=parts("no_decision", "ok", *["no_decision"] * 4)) == "flowing"


def test_parts_that_come_and_all_go_without_a_decision_do_not_flow() -> None:
    assert flow(results=parts("ok", *["no_decision"] * 5)) == "undecided"
    assert flow(results=parts("no_decision")) == "undecided"


@pytest.mark.parametrize("results", [[], parts("ok", "ok", ago_s=9.8), parts("ok", ago_s=60.0)])
def test_a_station_without_parts_waits_for_a_trigger(results: list[dict[str, Any]]) -> None:
    assert flow(results=results) == "waiting"


def test_a_slow_line_flows_until_its_next_part_is_long_overdue() -> None:
    assert flow(results=parts("ok", "ok", "ok", ago_s=80.0, apart_s=30.0)) == "flowing"
    assert flow(results=parts("ok", "ok", "ok", ago_s=95.0, apart_s=30.0)) == "waiting"


def test_a_station_that_no_plc_reads_says_so_whatever_its_parts_were() -> None:
    gone = {"connected": False, "heard_at": None}
    assert flow(plc=gone) == "no_plc"
    assert flow(plc=gone, recipe=NO_RECIPE, results=[]) == "no_plc"


def test_without_a_recipe_parts_flow_by_their_codes_alone() -> None:
    assert flow(recipe={"number": 7, "name": "bracket", "changing": True}) == "changing_recipe"
    assert flow(recipe=NO_RECIPE) == "flowing"
    assert flow(recipe=NO_RECIPE, results=[]) == "no_recipe"
    assert flow(recipe=NO_RECIPE, results=parts("no_decision")) == "no_recipe"


@pytest.mark.parametrize("why", ["set_offline", "engine", "camera", "fault"])
def test_a_station_that_takes_no_part_says_why_before_all_else(why: Any) -> None:
    gone = {"connected": False, "heard_at": None}
    assert flow(online=False, offline_reason=why, plc=gone) == why
    assert flow(12.0, online=False, offline_reason=why) == "silent"


def test_the_console_has_a_word_for_each() -> None:
    strings = orjson.loads((ROOT / "service/takt/console/static/strings/en.json").read_bytes())
    stations = strings["stations"]
    assert set(stations["flows"]) == set(get_args(Flow))
    # What keeps parts is told in a sentence with what to do.
    assert set(stations["why"]) == set(get_args(Flow)) - {"flowing"}
