"""Prometheus's own programs, and what rules and dashboards ask of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from takt.mirroring.metrics import MirrorMetrics
from takt.observing.instruments.gpu_metrics import GpuCollector
from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.station_states import StationStates
from takt.observing.instruments.watch_metrics import WatchMetrics
from takt.outlets.metrics import OutletMetrics
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.metrics import RecordMetrics

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
OF_PROMETHEUS = frozenset({"up", "ALERTS"})
"""What Prometheus itself says of targets and alerts."""
_REQUIRED = "TAKT_REQUIRE_PROMETHEUS"

_WORDS = frozenset(
    [
        "and",
        "or",
        "unless",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "offset",
        "bool",
    ]
)


def tool(name: str) -> str:
    """Path of `prometheus` or `promtool`; the test is skipped, or fails, where it is missing."""
    path = shutil.which(name)
    if path is None:
        tell = pytest.fail if os.environ.get(_REQUIRED) else pytest.skip
        tell(
            f"{name} is not installed: apt-get install --no-install-recommends prometheus "
            f"(with {_REQUIRED}=1 this fails instead)"
        )
    return path


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What promtool says, both streams in `stdout`."""
    return subprocess.run(
        [tool("promtool"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@dataclass(frozen=True)
class Rule:
    """One rule of a file; `alert` or the recorded name, and what it says."""

    name: str
    expr: str
    alert: bool
    labels: dict[str, str]
    annotations: dict[str, str]


def rules() -> list[Rule]:
    """Every rule of the project."""
    return [
        Rule(
            name=rule.get("alert") or rule["record"],
            expr=rule["expr"],
            alert="alert" in rule,
            labels=rule.get("labels", {}),
            annotations=rule.get("annotations", {}),
        )
        for path in sorted(PROMETHEUS.glob("rules/*.yml"))
        for group in loaded(path)["groups"]
        for rule in group["rules"]
    ]


def loaded(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def metrics_in(expr: str) -> set[str]:
    """The names of the metrics that an expression asks for."""
    text = re.sub(r"#.*", "", expr)
    text = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    text = re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", " ", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", " ", text)
    text = re.sub(r"\boffset\s+\w+", " ", text)
    names = re.findall(r"(?<![\w.:])([a-zA-Z_:][\w:]*)\b(?!\s*\()", text)
    return {name for name in names if name not in _WORDS}


def exposed() -> set[str]:
    """The names of the samples that a server can show, those without a value yet included."""
    metrics = Metrics()
    AuditMetrics(metrics.registry)
    RecordMetrics(metrics.registry).begin()
    WatchMetrics(metrics.registry, lambda station: True)
    MirrorMetrics(metrics.registry)
    OutletMetrics(metrics.registry)
    StationStates(metrics.registry, dict)
    families = [*metrics.registry.collect(), *GpuCollector(None).describe()]
    return {name for metric in families for name in _samples(metric.name, metric.type)}


def recorded() -> set[str]:
    """What the project's rules record, and what limits.yml lets people record for a line."""
    names = {rule.name for rule in rules() if not rule.alert}
    text = (PROMETHEUS / "rules/limits.yml").read_text(encoding="utf-8")
    return names | set(re.findall(r"^# .*record: (\S+:own)$", text, re.MULTILINE))


def _samples(name: str, kind: str) -> Iterator[str]:
    if kind == "counter":
        yield from (f"{name}_{suffix}" for suffix in ("total", "created"))
    elif kind == "histogram":
        yield from (f"{name}_{suffix}" for suffix in ("bucket", "sum", "count"))
    else:
        yield name


def checked(expressions: Iterable[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What promtool says of expressions, as if each were a rule."""
    made = [
        {"record": f"checked:expression:{number}", "expr": expr}
        for number, expr in enumerate(expressions)
    ]
    path = folder / "expressions.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "checked", "rules": made}]}))
    return promtool("check", "rules", path)
