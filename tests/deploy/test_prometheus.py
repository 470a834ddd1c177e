"""Rules and dashboards against a real Prometheus that watches a real server under load."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain

import pytest

from takt.observing.instruments.model_metrics import SECONDS
from tests.deploy.grafana import DASHBOARDS, Query, annotations, dashboard, queries
from tests.deploy.live_prometheus import Series
from tests.deploy.plant import INTERVAL_S, MODEL, Plant, run_plant
from tests.deploy.prometheus_tools import recorded, rules, tool

pytestmark = pytest.mark.services

ON = {
    ("TaktServerDown", "line-3", None),
    ("TaktReplicaDown", "line-2", None),
    ("TaktMemoryNearLimit", "line-2", None),
    ("TaktModelNotReady", "line-1", "broken"),
    ("TaktVersionNotReady", "line-1", MODEL),
    ("TaktLatencyOverBudget", "line-2", MODEL),
    ("TaktRejectRateJump", "line-1", MODEL),
    ("TaktCameraSilent", "line-1", "broken"),
    ("TaktPicturesUnreadable", "line-1", MODEL),
    ("TaktPicturesRefused", "line-1", MODEL),
    ("TaktPicturesExpired", "line-1", MODEL),
    ("TaktFramesDropped", "line-1", MODEL),
}
"""Alerts that the load brings on, by name, line and model."""

OFF = {
    "TaktNoServer": ('absent(up{job="takt"})', 'up{job="takt"}'),
    "TaktNoActiveVersion": ("takt_model_active) == 0", "takt_model_active) > 0"),
    "TaktModelDoubtful": ("takt_model_finding == 1", "takt_model_ready == 1"),
    "TaktModelFilesSpoilt": ("takt_model_spoilt == 1", "takt_model_spoilt == 0"),
    "TaktModelNotWatched": ("takt_model_unwatched == 1", "takt_model_unwatched == 0"),
    "TaktRejectRateHigh": (
        "line_model:takt_reject_limit:ratio",
        "(0.1 * line_model:takt_reject_limit:ratio)",
    ),
    "TaktEngineFailed": ("engine_.*|internal_error", "invalid_image"),
    "TaktEngineReplaced": ("increase(takt_engine_restarts_total[15m])", "takt_model_ready"),
    "TaktEngineMissing": ("takt_engines_working < takt_engine_instances", "takt_model_ready == 1"),
    "TaktEngineThreadsLost": ("takt_engine_threads_lost", "up"),
    "TaktCountingErrors": ("increase(takt_counting_errors_total[15m])", "takt_model_ready"),
    "TaktQueueSaturated": ("> 0.8", ""),
    "TaktConnectionsRefused": (") > 0", ") >= 0"),
    "TaktPictureMemoryNearLimit": ("> 0.8", ""),
    "TaktAuditNotStored": ("entries_waiting[5m])) > 0", "entries_waiting[5m])) >= 0"),
    "TaktAuditBroken": ("broken) > 0", "broken) >= 0"),
    "TaktRepositoryAway": ("takt_repository_up) == 0", "up) == 1"),
    "TaktRepositoryRefuses": ("takt_repository_refused", "up"),
    "TaktRecordAway": (") == 0", ") == 1"),
    "TaktRecordNewer": (") == 1", ") == 0"),
    "TaktRecordLosesInspections": ('outcome="lost"', 'outcome="stored"'),
    "TaktRecordLosesPictures": ('outcome="lost"', 'outcome="kept"'),
    "TaktRecordClockDoubted": ("doubted) == 1", "doubted) == 0"),
    "TaktCameraChanged": ('takt_watch_alarm{cause="camera"}', "takt_model_ready"),
    "TaktMoreDefects": ('takt_watch_alarm{cause="defects"}', "takt_model_ready"),
    "TaktPromiseBroken": ('takt_watch_alarm{cause="promise"}', "takt_model_ready"),
    "TaktOutletLosesAnswers": (
        'takt_outlet_answers_total{outcome=~"failed|lost"}',
        'takt_record_inspections_total{outcome="stored"}',
    ),
    "TaktStationDown": ("takt_station_up) == 0", "up) == 1"),
    "TaktOutletAway": ("takt_outlet_up) == 0", "up) == 1"),
}
"""Alerts that nothing brings on here, each with a part of its expression and what makes that part
true of this server: no engine fails, no queue, memory or limit is full, nothing is
lost or waits to be stored, and servers there are."""

LINES = {"all": {"line": ".*", "model": ".*"}, "one": {"line": "line-1", "model": MODEL}}
"""What may be chosen on a dashboard."""

MAYBE_EMPTY = {"station"}
"""Labels that a caller may leave empty: Prometheus drops these, and Grafana then shows nothing."""

LONG = {
    *("Age of the last picture", "Since the last picture", "Lines"),
    *("Load time", "Versions", "Servers"),
}
"""Panels with times that are no latencies."""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    tool("prometheus")
    with run_plant(tmp_path_factory.mktemp("plant")) as running:
        yield running


def test_the_load_generator_and_the_dashboard_agree_on_p99_within_a_bucket(plant: Plant) -> None:
    # The generator's time has the way to the server in it, and the server's begins with the
    # request's arrival: a millisecond or two, of a picture that takes a hundred times as long.
    (series,) = plant.p99_after_bench
    (p99_s,) = series.values
    ours, theirs = bisect_left(SECONDS, p99_s), bisect_left(SECONDS, plant.bench_p99_s)
    assert abs(ours - theirs) <= 1, (p99_s, plant.bench_p99_s)


@pytest.mark.parametrize("choice", LINES)
@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_panel_shows_something_sane(plant: Plant, name: str, choice: str) -> None:
    board = dashboard(name)
    missing = []
    for query in chain(queries(board), annotations(board)):
        series = answer(plant, query, choice)
        if not any(finite(one) for one in series):
            missing.append(query.title)
        for one in series:
            named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
            assert named <= set(one.labels) | MAYBE_EMPTY, query.expr
            for value in finite(one):
                assert sane(query, value), f"{query.title}: {query.expr} is {value}"
    assert missing == []


def answer(plant: Plant, query: Query, choice: str) -> Sequence[Series]:
    """What Grafana would get, over the time since the first scrape."""
    asked = query.asked(LINES[choice] | {"__rate_interval": f"{4 * INTERVAL_S * 1000:.0f}ms"})
    # Nothing fires within a test's minute, but what fires has been pending.
    asked = asked.replace('alertstate="firing"', 'alertstate="pending"')
    if query.instant:
        return plant.prometheus.instant(asked)
    # The last step lies after the last scrape: the second before it has not seen all of the load.
    return plant.prometheus.over(asked, plant.began_s, plant.ended_s + 1.0, 1.0)


def finite(series: Series) -> list[float]:
    """Without the gaps: a percentile of nothing is NaN, which Grafana does not draw."""
    return [value for value in series.values if not math.isnan(value)]


def sane(query: Query, value: float) -> bool:
    if math.isinf(value) or (value < 0 and "score" not in query.expr):
        return False
    if query.unit == "percentunit":
        # A batch counts when it ends, so that a window of seconds may count more than its length.
        return value <= (2 if query.title == "Engine use" else 1)
    if query.unit == "s":
        if query.title in LONG:
            return value < 7200
        return value < 10 and (value > 0 or "histogram_quantile" not in query.expr)
    if query.unit == "bytes":
        return value > 1e6 or query.title == "Disk of kept pictures"
    return True


def test_each_recorded_series_has_sane_values(plant: Plant) -> None:
    for name in recorded():
        series = plant.prometheus.instant(name)
        assert series, name
        for one in series:
            (value,) = one.values
            assert math.isfinite(value) and value >= 0, name
            if ":ratio" in name or "_ratio" in name:
                assert value <= 1, name
            if "_seconds" in name:
                assert value < 7200, name
            assert "line" in one.labels, name


def test_prometheus_evaluates_each_rule_without_complaint(plant: Plant) -> None:
    found = plant.prometheus.rules()
    assert {rule["name"] for rule in found} >= {rule.name for rule in rules()}
    assert [(rule["name"], rule.get("lastError")) for rule in found if rule["health"] != "ok"] == []
    assert not [line for line in plant.prometheus.log if "level=warn" in line and "rule" in line]


def test_alerts_come_where_their_cause_is_and_speak_of_it(plant: Plant) -> None:
    on = {
        (alert["labels"]["alertname"], alert["labels"].get("line"), alert["labels"].get("model"))
        for rule in plant.prometheus.rules()
        if rule["type"] == "alerting"
        for alert in rule["alerts"]
    }
    assert on >= ON
    assert {name for name, _, _ in on} == {name for name, _, _ in ON}
    texts = [
        text
        for rule in plant.prometheus.rules()
        if rule["type"] == "alerting"
        for alert in rule["alerts"]
        for text in alert["annotations"].values()
    ]
    assert texts
    assert not [text for text in texts if "<" in text or "%!" in text or "no value" in text]


def test_alerts_without_a_cause_would_come_if_it_were_there(plant: Plant) -> None:
    exprs = {rule.name: rule.expr for rule in rules() if rule.alert}
    assert set(OFF) | {name for name, _, _ in ON} == set(exprs)
    for name, (part, instead) in OFF.items():
        assert plant.prometheus.instant(exprs[name]) == [], name
        assert part in exprs[name]
        series = plant.prometheus.instant(exprs[name].replace(part, instead))
        assert series, name
        assert all(one.labels["line"] for one in series), name


def test_a_latency_leads_to_a_request(plant: Plant) -> None:
    selector = f'takt_stage_seconds_bucket{{stage="total", model="{MODEL}"}}'
    found = plant.prometheus.exemplars(selector, plant.began_s, plant.ended_s)
    assert found
    for example in found:
        assert example["labels"]["request_id"]
        assert 0 < float(example["value"]) < 10
