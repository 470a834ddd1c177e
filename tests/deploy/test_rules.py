"""The alert and recording rules, checked and driven by promtool."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from tests.deploy.prometheus_tools import (
    OF_PROMETHEUS,
    PROMETHEUS,
    ROOT,
    exposed,
    loaded,
    metrics_in,
    promtool,
    recorded,
    rules,
)

ALERTS = [rule for rule in rules() if rule.alert]
SCENARIOS = [
    scenario
    for path in sorted(PROMETHEUS.glob("tests/*.yml"))
    for scenario in loaded(path)["tests"]
]


def test_promtool_accepts_the_configuration_and_its_rules() -> None:
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert said.returncode == 0, said.stdout
    assert f"{len(list(PROMETHEUS.glob('rules/*.yml')))} rule files found" in said.stdout


def test_the_plants_prometheus_reads_all_that_the_lines_rules_record() -> None:
    path = PROMETHEUS / "federation.yml"
    said = promtool("check", "config", path)
    assert said.returncode == 0, said.stdout
    (job,) = loaded(path)["scrape_configs"]
    assert job["honor_labels"]
    (names,) = re.findall(r'__name__=~"(.+?)"', " ".join(job["params"]["match[]"]))
    recorded = {rule.name for rule in rules() if not rule.alert}
    assert not [name for name in recorded if not re.fullmatch(names, name)]


def test_promtool_finds_nothing_to_complain_of_in_the_rules() -> None:
    said = promtool("check", "rules", "--lint-fatal", *PROMETHEUS.glob("rules/*.yml"))
    assert said.returncode == 0, said.stdout


def test_each_alert_fires_and_keeps_still_as_its_scenarios_say() -> None:
    said = promtool("test", "rules", *sorted(PROMETHEUS.glob("tests/*.yml")))
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_scenario_makes_the_alert_fire_and_others_do_not(alert) -> None:
    def fires(scenario) -> bool:
        expected = [
            sample["labels"]
            for check in scenario["promql_expr_test"]
            for sample in check["exp_samples"]
        ]
        return any(
            f'alertname="{alert.name}"' in labels and 'alertstate="firing"' in labels
            for labels in expected
        )

    firing = [scenario["name"] for scenario in SCENARIOS if fires(scenario)]
    assert firing
    assert len(firing) < len(SCENARIOS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_how_grave_it_is_what_and_where(alert) -> None:
    assert alert.labels["severity"] in ("critical", "warning", "info")
    assert alert.annotations["runbook_url"] == f"docs/operations.md#{alert.name.lower()}"
    if alert.name != "TaktNoServer":
        assert "$labels.line" in alert.annotations["summary"]
        assert "$labels.line" in alert.annotations["description"]
    if re.search(r"\bmodel\b|line_model", alert.expr):
        assert "$labels.model" in alert.annotations["summary"]
        assert "$labels.model" in alert.annotations["description"]


def test_the_operations_guide_explains_each_alert() -> None:
    guide = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    headings = {found.lower() for found in re.findall(r"^#+ `?(Takt\w+)`?$", guide, re.MULTILINE)}
    assert {alert.name.lower() for alert in ALERTS} <= headings


def test_rules_use_only_what_the_server_shows_or_other_rules_record() -> None:
    known = exposed() | recorded() | OF_PROMETHEUS
    used = set(chain.from_iterable(metrics_in(rule.expr) for rule in rules()))
    assert used - known == set()


def test_each_recorded_series_is_used_by_an_alert_or_a_dashboard() -> None:
    dashboards = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "deploy/grafana/dashboards").iterdir()
    )
    used = set(chain.from_iterable(metrics_in(rule.expr) for rule in rules()))
    assert {name for name in recorded() - used if name not in dashboards} == set()
