"""What a server says of itself agrees with the alert rules: the same figures, the same alarms."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from takt.core import errors
from takt.core.errors import TaktError
from takt.observing.status import cases
from takt.observing.status.alarms import Alarms
from takt.observing.status.conditions import CONDITIONS, OF_PROMETHEUS
from takt.observing.status.reading import NAMES, Reading, Series
from takt.observing.status.readings import KeptReadings, Readings
from takt.observing.status.run_book import run_book
from tests.deploy.prometheus_tools import PROMETHEUS, loaded, metrics_in, promtool, rules

ALERTS = {
    rule["alert"]: rule
    for path in sorted(PROMETHEUS.glob("rules/*.yml"))
    for group in loaded(path)["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
SCENARIOS = [
    scenario
    for path in sorted(PROMETHEUS.glob("tests/*.yml"))
    for scenario in loaded(path)["tests"]
]
BY = "alertname, severity, model, version, finding, reason, outcome, outlet, station"


Fired = set[tuple[tuple[str, str], ...]]
"""The labels of each alert that fires at one step."""


@dataclass
class Server:
    """The series of one server in a scenario, each as its values by step."""

    series: dict[Series, list[float | None]] = field(default_factory=dict)
    written: list[dict[str, str]] = field(default_factory=list)


def seconds(text: str) -> int:
    return sum(
        int(number) * {"s": 1, "m": 60, "h": 3600}[unit]
        for number, unit in re.findall(r"(\d+)([smh])", text)
    )


def values(text: str) -> Iterator[float | None]:
    """The values of a series as promtool writes them: `1x3`, `0+5x10`, `_x2 4`."""
    for part in text.split():
        repeated = re.fullmatch(r"(_|[\d.e-]+?)(?:\+([\d.e]+))?x(\d+)", part)
        if repeated is None:
            yield None if part == "_" else float(part)
            continue
        start, step, times = repeated.groups()
        for number in range(int(times) + (start != "_")):
            yield None if start == "_" else float(start) + float(step or 0) * number


def servers_of(scenario: dict[str, Any]) -> dict[str, Server]:
    """Each instance of a scenario as if it were alone; without those that are started anew.

    Replicas of Ray Serve share an instance, and each knows its own series without their label.
    """
    found: dict[str, Server] = defaultdict(Server)
    restarted = set()
    for one in scenario["input_series"]:
        name, text = re.fullmatch(r"([\w:]+)\{(.*)\}", one["series"]).groups()
        labels = dict(re.findall(r'(\w+)="([^"]*)"', text))
        if "instance" not in labels or labels["job"] != "takt" or "replica" in labels:
            continue
        instance = labels.pop("instance")
        if "stale" in one["values"]:
            restarted.add(instance)
            continue
        own = {key: value for key, value in labels.items() if key not in ("job", "line")}
        found[instance].series[name, tuple(sorted(own.items()))] = list(values(one["values"]))
        inside = ", ".join(f'{key}="{value}"' for key, value in own.items())
        series = f'{name}{{job="takt", instance="{instance}", line="{instance}"'
        written = f"{series}, {inside}}}" if inside else f"{series}}}"
        found[instance].written.append({"series": written, "values": one["values"]})
    return {name: server for name, server in found.items() if name not in restarted}


def firing(server: Server, interval_s: int) -> Iterator[Fired]:
    """What the server says at each step, by the labels of the alerts."""
    kept, alarms = KeptReadings(every_s=interval_s), Alarms()
    # Prometheus goes on with the last value of a series for some time after its end.
    for step in range(min(map(len, server.series.values()))):
        at_s = float(step * interval_s)
        shown = {
            series: value
            for series, of_step in server.series.items()
            if step < len(of_step) and (value := of_step[step]) is not None
        }
        reading = Reading(at_s, {one: value for one, value in shown.items() if one[0] in NAMES})
        kept.add(reading)
        yield {
            tuple(
                sorted(
                    {
                        "alertname": alarm.condition.name,
                        "severity": alarm.condition.severity,
                        **dict(zip(alarm.condition.labels, alarm.labels, strict=True)),
                    }.items()
                )
            )
            for alarm in alarms.update(Readings(reading, kept, at_s))
            if alarm.firing
        }


@functools.cache
def said() -> list[dict[str, list[Fired]]]:
    """What each server says at each step, by scenario."""
    return [
        {
            name: list(firing(server, seconds(scenario["interval"])))
            for name, server in servers_of(scenario).items()
        }
        for scenario in SCENARIOS
    ]


def as_test(scenario: dict[str, Any], of_server: dict[str, list[Fired]]) -> dict[str, Any]:
    """A test for promtool that expects what the servers say."""
    interval_s = seconds(scenario["interval"])
    checks = []
    for name, steps in of_server.items():
        for step in range(0, len(steps), 1 if len(steps) < 80 else 9):
            # An alert sees what other rules have recorded one evaluation later.
            if steps[step] != steps[max(0, step - 1)]:
                continue
            samples = [
                {
                    "labels": "{" + ", ".join(f'{key}="{value}"' for key, value in one) + "}",
                    "value": 1,
                }
                for one in sorted(steps[step])
            ]
            names = "|".join(sorted(condition.name for condition in CONDITIONS))
            asked = f'ALERTS{{alertstate="firing", line="{name}", alertname=~"{names}"}}'
            checks.append(
                {
                    "expr": f"count by ({BY}) ({asked})",
                    "eval_time": f"{step * interval_s}s",
                    "exp_samples": samples,
                }
            )
    return {
        "name": scenario["name"],
        "interval": scenario["interval"],
        "input_series": [one for server in servers_of(scenario).values() for one in server.written],
        "promql_expr_test": checks,
    }


def test_a_server_says_what_prometheus_says_of_it_in_every_scenario(tmp_path: Path) -> None:
    tests: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for scenario, of_server in zip(SCENARIOS, said(), strict=True):
        if of_server:
            tests[scenario["interval"]].append(as_test(scenario, of_server))
    for interval, of_interval in tests.items():
        text = {
            "rule_files": [str(one) for one in sorted(PROMETHEUS.glob("rules/*.yml"))],
            "evaluation_interval": interval,
            "tests": of_interval,
        }
        (tmp_path / f"{interval}.yml").write_text(yaml.safe_dump(text))
    found = promtool("test", "rules", *sorted(tmp_path.glob("*.yml")))
    assert found.returncode == 0, found.stdout[:4000]


def test_every_alert_is_a_servers_own_or_is_left_to_prometheus() -> None:
    own = [condition.name for condition in CONDITIONS]
    assert len(own) == len(set(own))
    assert set(own) | OF_PROMETHEUS.keys() == ALERTS.keys()
    assert not set(own) & OF_PROMETHEUS.keys()


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_condition_has_the_severity_and_the_patience_of_its_alert(condition) -> None:
    rule = ALERTS[condition.name]
    assert condition.severity == rule["labels"]["severity"]
    assert condition.for_s == seconds(rule.get("for", "0s"))


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_condition_says_what_holds_and_the_guide_what_to_do(condition) -> None:
    text = condition.sentence(tuple("nut" for _ in condition.labels), 0.5)
    assert text.endswith(".")
    assert "{" not in text
    assert run_book().about(condition.name.lower())[0].title == condition.name


def test_each_condition_holds_in_some_scenario_and_not_in_all() -> None:
    fired = [
        {
            dict(labels)["alertname"]
            for steps in of_server.values()
            for one in steps
            for labels in one
        }
        for of_server in said()
    ]
    for condition in CONDITIONS:
        assert 0 < sum(condition.name in names for names in fired) < len(fired)


def test_the_readings_have_every_series_that_an_alert_of_ones_own_asks_for() -> None:
    recorded = {rule.name: rule.expr for rule in rules() if not rule.alert}

    def asked(expr: str) -> set[str]:
        return {
            name
            for one in metrics_in(expr)
            for name in (asked(recorded[one]) if one in recorded else {one})
        }

    wanted = set().union(*(asked(ALERTS[condition.name]["expr"]) for condition in CONDITIONS))
    assert wanted - NAMES - {"takt_requests_created"} == set()


def test_every_error_of_an_engine_is_a_failure_of_the_engine() -> None:
    def kinds(kind: type[TaktError]) -> Iterator[type[TaktError]]:
        yield kind
        for one in kind.__subclasses__():
            yield from kinds(one)

    codes = {kind.code for kind in kinds(TaktError) if kind.__module__ == errors.__name__}
    matched = {code for code in codes if re.fullmatch("engine_.*|internal_error", code)}
    assert matched == set(cases.ENGINE_ERRORS)


def test_a_silent_camera_is_as_silent_as_in_its_rule() -> None:
    """No scenario lies between 1 and 10 missing pictures."""
    expr = ALERTS["TaktCameraSilent"]["expr"]
    assert f"age_seconds > {cases.SILENT_S}\n" in expr
    assert f"rate8h > {cases.MISSING_PICTURES}\n" in expr
