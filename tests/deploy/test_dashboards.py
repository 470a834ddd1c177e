"""The dashboards as Grafana would read them; it cannot run where the project is tested."""

from __future__ import annotations

import re
from itertools import chain, combinations
from pathlib import Path

import pytest

from tests.deploy.grafana import (
    DASHBOARDS,
    GRAFANA,
    annotations,
    dashboard,
    panels,
    queries,
)
from tests.deploy.prometheus_tools import (
    OF_PROMETHEUS,
    PROMETHEUS,
    checked,
    exposed,
    loaded,
    metrics_in,
    recorded,
)

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {
    *("s", "percentunit", "reqps", "short", "bytes", "celsius", "watt", "none"),
}
VARIABLES = {"line": "line-1", "model": "parts|screws", "__rate_interval": "20s"}


@pytest.fixture(params=DASHBOARDS)
def board(request: pytest.FixtureRequest):
    return dashboard(request.param)


def test_there_are_one_for_operators_and_one_for_engineers() -> None:
    boards = [dashboard(name) for name in DASHBOARDS]
    assert set(DASHBOARDS) == {"operator", "engineer"}
    assert len({board["uid"] for board in boards}) == 2
    assert len({board["title"] for board in boards}) == 2


def test_identities_are_unique(board) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in panels(board)]
    assert len(titles) == len(set(titles))


def test_panels_lie_within_the_grid_and_on_none_other(board) -> None:
    places = {panel["title"]: panel["gridPos"] for panel in board["panels"]}
    for place in places.values():
        assert place["x"] >= 0 and place["w"] > 0 and place["h"] > 0
        assert place["x"] + place["w"] <= 24
    for (one, a), (other, b) in combinations(places.items(), 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one} lies on {other}"


def test_each_panel_says_what_it_shows_from_the_chosen_source_and_in_which_unit(board) -> None:
    for panel in panels(board):
        assert panel["datasource"] == SOURCE
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))
        assert all(target["datasource"] == SOURCE for target in panel["targets"])


def test_lines_and_models_can_be_chosen_and_every_question_heeds_the_choice(board) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(variables) == ["datasource", "line", "model"]
    assert variables["datasource"]["query"] == "prometheus"
    for name in ("line", "model"):
        assert variables[name]["multi"] and variables[name]["includeAll"]
        assert variables[name]["datasource"] == SOURCE
    for query in chain(queries(board), annotations(board)):
        selectors = re.findall(r"\{([^{}]*)\}", query.expr)
        assert selectors
        assert all('line=~"$line' in selector for selector in selectors), query.expr
        assert set(re.findall(r"\$(\w+)", query.expr)) <= set(VARIABLES)


def test_a_legend_names_labels_that_the_answer_has(board) -> None:
    for query in queries(board):
        named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        grouped = re.findall(r"\bby \(([^()]*)\)", query.expr)
        if grouped:
            kept = {label.strip() for label in ",".join(grouped).split(",")}
            assert named <= kept, query.expr


def test_latencies_lead_to_the_requests_that_had_them() -> None:
    (panel,) = [panel for panel in panels(dashboard("engineer")) if panel["title"] == "Latency"]
    shown = [target for target in panel["targets"] if target.get("exemplar")]
    assert shown
    assert all('stage="total"' in target["expr"] for target in shown)


def test_promtool_parses_every_question(board, tmp_path: Path) -> None:
    asked = [query.asked(VARIABLES) for query in chain(queries(board), annotations(board))]
    said = checked(asked, tmp_path)
    assert said.returncode == 0, said.stdout
    assert f"{len(asked)} rules found" in said.stdout


def test_questions_are_about_what_the_server_shows_or_the_rules_record(board) -> None:
    known = exposed() | recorded() | OF_PROMETHEUS
    asked = chain.from_iterable(
        metrics_in(query.asked(VARIABLES)) for query in chain(queries(board), annotations(board))
    )
    assert set(asked) - known == set()


def test_grafana_finds_its_source_and_its_dashboards_where_they_are_mounted() -> None:
    (source,) = loaded(GRAFANA / "provisioning/datasources/prometheus.yml")["datasources"]
    scraped = loaded(PROMETHEUS / "prometheus.yml")["global"]["scrape_interval"]
    assert source["type"] == "prometheus" and source["isDefault"]
    assert source["jsonData"]["timeInterval"] == scraped
    (provider,) = loaded(GRAFANA / "provisioning/dashboards/takt.yml")["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
