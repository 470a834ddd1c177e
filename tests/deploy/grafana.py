"""Grafana's dashboards as data: their panels, and what these ask Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRAFANA = Path(__file__).parents[2] / "deploy/grafana"
DASHBOARDS = {path.stem: path for path in sorted(GRAFANA.glob("dashboards/*.json"))}

Json = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """One question of a panel or an annotation.

    Attributes:
        title: of the panel.
        unit: of the answer, by Grafana's name; None of what has none.
        expr: with Grafana's variables.
        legend: as Grafana fills it in.
        instant: whether it asks for now only.
    """

    title: str
    unit: str | None
    expr: str
    legend: str
    instant: bool

    def asked(self, variables: Mapping[str, str]) -> str:
        """The expression with its variables replaced, as Grafana sends it."""
        return re.sub(r"\$(\w+)", lambda found: variables[found[1]], self.expr)


def dashboard(name: str) -> Json:
    """One of DASHBOARDS."""
    found: Json = json.loads(DASHBOARDS[name].read_text(encoding="utf-8"))
    return found


def panels(board: Json) -> list[Json]:
    """Those that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board: Json) -> Iterator[Query]:
    """Everything that a dashboard's panels ask."""
    for panel in panels(board):
        columns = {
            renamed["matcher"]["options"]: property["value"]
            for renamed in panel["fieldConfig"]["overrides"]
            for property in renamed["properties"]
            if property["id"] == "unit"
        }
        names: Json = next(
            (
                step["options"]["renameByName"]
                for step in panel.get("transformations", ())
                if step["id"] == "organize"
            ),
            {},
        )
        for target in panel["targets"]:
            column = names.get(f"Value #{target['refId']}")
            table = panel["type"] == "table"
            yield Query(
                title=panel["title"],
                unit=columns.get(column) if table else panel["fieldConfig"]["defaults"]["unit"],
                expr=target["expr"],
                legend=target["legendFormat"],
                instant=target["instant"],
            )


def annotations(board: Json) -> Iterator[Query]:
    """What a dashboard marks on its panels."""
    for mark in board["annotations"]["list"]:
        yield Query(mark["name"], None, mark["expr"], mark["titleFormat"], False)
