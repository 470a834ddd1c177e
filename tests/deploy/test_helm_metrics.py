"""What a release of the chart does with metrics: scraping, rules, dashboards, scaling."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import ALL_METRICS, CHART, FULL_NAME, RELEASE, Values, render
from tests.deploy.prometheus_tools import promtool

DEPLOY = CHART.parents[1]


def test_series_carry_the_job_and_the_line_that_rules_and_dashboards_go_by() -> None:
    (endpoint,) = render(ALL_METRICS).one("ServiceMonitor")["spec"]["endpoints"]
    put = {rule["targetLabel"]: rule["replacement"] for rule in endpoint["relabelings"]}
    assert put == {"job": "takt", "line": "press-3"}
    unnamed = render({"metrics": {"serviceMonitor": {"enabled": True}}}).one("ServiceMonitor")
    assert unnamed["spec"]["endpoints"][0]["relabelings"][1]["replacement"] == RELEASE


def groups(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.yml")):
        yield from yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]


def test_the_rules_are_those_of_deploy_prometheus() -> None:
    common, _ = render(ALL_METRICS).kind("PrometheusRule")
    assert common["spec"]["groups"] == list(groups(DEPLOY / "prometheus/rules"))


def test_a_lines_limits_are_rules_of_its_own_that_prometheus_takes(tmp_path: Path) -> None:
    common, limits = render(ALL_METRICS).kind("PrometheusRule")
    (group,) = limits["spec"]["groups"]
    recorded = {rule["record"]: (rule["labels"]["line"], rule["expr"]) for rule in group["rules"]}
    assert recorded == {
        "line:takt_cycle_budget_seconds:own": ("press-3", "vector(0.12)"),
        "line:takt_memory_limit_bytes:own": ("press-3", "vector(2147483648)"),
    }
    asked = json.dumps(common["spec"])
    assert all(name in asked for name in recorded)
    for number, resource in enumerate((common, limits)):
        file = tmp_path / f"{number}.yml"
        file.write_text(yaml.safe_dump(resource["spec"]))
        checked = promtool("check", "rules", file)
        assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("limit", "expression"),
    [
        ("2Gi", "vector(2147483648)"),
        ("1.5G", "vector(1500000000)"),
        ("512Mi", "vector(536870912)"),
        (3221225472, "vector(3221225472)"),
        (None, None),
    ],
)
def test_the_memory_that_is_watched_is_what_the_pod_may_take(
    limit: str | int | None, expression: str | None
) -> None:
    rendered = render(
        {"resources": {"limits": {"memory": limit}}, "metrics": {"limits": {"enabled": True}}}
    )
    rules = [
        rule
        for one in rendered.kind("PrometheusRule")
        for group in one["spec"]["groups"]
        for rule in group["rules"]
    ]
    assert [rule["expr"] for rule in rules] == ([expression] if expression else [])


def test_the_dashboards_are_those_of_deploy_grafana() -> None:
    maps = render(ALL_METRICS).kind("ConfigMap")
    found = {
        name: text
        for one in maps
        if one["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name, text in one["data"].items()
    }
    files = {
        file.name: file.read_text("utf-8")
        for file in (DEPLOY / "grafana/dashboards").glob("*.json")
    }
    assert files and found == files


SCALED: Values = {
    "autoscaling": {"enabled": True, "queueWaitMs": 50},
    "metrics": {"line": "press-3"},
}


def test_a_deployment_that_is_scaled_names_no_number_of_replicas() -> None:
    rendered = render(SCALED | {"replicas": 3})
    assert "replicas" not in rendered.one("Deployment")["spec"]
    assert rendered.one("ScaledObject")["spec"]["scaleTargetRef"] == {"name": FULL_NAME}
    assert render({"replicas": 3}).one("Deployment")["spec"]["replicas"] == 3


def test_pods_are_scaled_by_the_wait_and_not_by_the_number_of_those_who_wait() -> None:
    (trigger,) = render(SCALED).one("ScaledObject")["spec"]["triggers"]
    assert trigger["metricType"] == "Value"
    assert trigger["metadata"]["threshold"] == "50"


def series(line: str, le: str, growth: int, stage: str = "queue") -> dict[str, str]:
    labels = f'job="takt",line="{line}",model="a",stage="{stage}",le="{le}"'
    return {"series": f"takt_stage_seconds_bucket{{{labels}}}", "values": f"0+{growth}x20"}


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [
        # All of 100 pictures in 15 s waited 20 to 50 ms: the 95th is at 48.5.
        ([("press-3", "0.02", 0), ("press-3", "0.05", 100), ("press-3", "+Inf", 100)], 48.5),
        # Another line's wait is not this one's.
        ([("press-4", "0.02", 0), ("press-4", "0.05", 100), ("press-4", "+Inf", 100)], 0),
        # No picture came, then no server was there.
        ([("press-3", "0.02", 0), ("press-3", "0.05", 0), ("press-3", "+Inf", 0)], 0),
        ([], 0),
    ],
)
def test_the_query_is_the_lines_wait_in_milliseconds_and_always_a_number(
    given: list[tuple[str, str, int]], milliseconds: float, tmp_path: Path
) -> None:
    (trigger,) = render(SCALED).one("ScaledObject")["spec"]["triggers"]
    check = {
        "expr": f"round({trigger['metadata']['query']}, 0.1)",
        "eval_time": "4m",
        "exp_samples": [{"labels": "{}", "value": milliseconds}],
    }
    more = [series(line, le, growth * 9, "engine") for line, le, growth in given]
    test = {
        "interval": "15s",
        "input_series": [series(*one) for one in given] + more,
        "promql_expr_test": [check],
    }
    file = tmp_path / "wait.yml"
    file.write_text(yaml.safe_dump({"tests": [test]}))
    tested = promtool("test", "rules", file)
    assert tested.returncode == 0, tested.stdout
