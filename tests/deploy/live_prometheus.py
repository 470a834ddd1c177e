"""A Prometheus process with the project's rules, and its HTTP API."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from tests.deploy.prometheus_tools import PROMETHEUS, loaded, promtool, tool

Found = TypeVar("Found")
Json = Any

_POLL_S = 0.1


@dataclass(frozen=True)
class Series:
    """One answer: its labels, and its values in the order of time."""

    labels: Mapping[str, str]
    values: Sequence[float]


@dataclass(frozen=True)
class Past:
    """A series of which Prometheus shall already have samples when it starts.

    Attributes:
        metric: a counter if its name says so, else a gauge.
        labels: of the series.
        samples: Unix time and value.
    """

    metric: str
    labels: Mapping[str, str]
    samples: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str
    log: list[str] = field(default_factory=list)

    def instant(self, expr: str) -> list[Series]:
        """What an expression is now."""
        found = self._data("query", query=expr)["result"]
        return [Series(one["metric"], [float(one["value"][1])]) for one in found]

    def over(self, expr: str, begin_s: float, end_s: float, step_s: float) -> list[Series]:
        """What an expression was, at each step of a time."""
        found = self._data("query_range", query=expr, start=begin_s, end=end_s, step=step_s)
        return [
            Series(one["metric"], [float(value) for _, value in one["values"]])
            for one in found["result"]
        ]

    def exemplars(self, expr: str, begin_s: float, end_s: float) -> list[Json]:
        """The examples of a histogram's series."""
        found = self._data("query_exemplars", query=expr, start=begin_s, end=end_s)
        return [example for series in found for example in series["exemplars"]]

    def rules(self) -> list[Json]:
        """Every rule as it was evaluated last; of alerts, with those that are on."""
        return [rule for group in self._data("rules")["groups"] for rule in group["rules"]]

    def _data(self, path: str, **form: str | float) -> Json:
        url = f"{self.url}/api/v1/{path}"
        answer = httpx.post(url, data=form) if form else httpx.get(url)
        assert answer.status_code == 200, f"{form}: {answer.text}"
        body = answer.json()
        wrong = [text for text in body.get("warnings", ()) if "PromQL info" not in text]
        assert not wrong, f"{form}: {wrong}"
        return body["data"]


def eventually(find: Callable[[], Found], timeout_s: float = 30) -> Found:
    """What `find` gives as soon as that is anything; the test fails if it takes too long."""
    pause = threading.Event()
    deadline_s = time.monotonic() + timeout_s
    while not (found := find()):
        if time.monotonic() > deadline_s:
            pytest.fail(f"nothing came within {timeout_s} s")
        pause.wait(_POLL_S)
    return found


@contextmanager
def run_prometheus(
    folder: Path,
    targets: Iterable[tuple[str, str]],
    *,
    interval_s: float,
    own_limits: Sequence[Mapping[str, Any]] = (),
    past: Sequence[Past] = (),
) -> Iterator[Prometheus]:
    """Prometheus with the project's configuration, from the moment it answers.

    Args:
        folder: for its data.
        targets: line and address of each.
        interval_s: between scrapes, and between evaluations.
        own_limits: rules as rules/limits.yml describes them.
        past: what it has seen before.
    """
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(folder, targets, interval_s, own_limits)))
    data = folder / "data"
    if past:
        _fill(folder / "past.om", data, past)
    process = subprocess.Popen(
        [
            tool("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            "--web.listen-address=127.0.0.1:0",
            "--enable-feature=exemplar-storage",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    log: list[str] = []
    try:
        for line in process.stderr:
            log.append(line)
            if found := re.search(r'msg="Listening on" address=(\S+)', line):
                break
        else:
            pytest.fail("Prometheus ended:\n" + "".join(log))
        reader = threading.Thread(target=log.extend, args=(process.stderr,), daemon=True)
        reader.start()
        url = f"http://{found[1]}"
        eventually(lambda: httpx.get(f"{url}/-/ready").status_code == 200)
        yield Prometheus(url, log)
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def _config(
    folder: Path,
    targets: Iterable[tuple[str, str]],
    interval_s: float,
    own_limits: Sequence[Mapping[str, Any]],
) -> Json:
    """The project's, with other targets, a shorter beat, and where its rules are from here."""
    config = loaded(PROMETHEUS / "prometheus.yml")
    beat = f"{interval_s * 1000:.0f}ms"
    config["global"] = {"scrape_interval": beat, "scrape_timeout": beat}
    config["global"]["evaluation_interval"] = beat
    config["rule_files"] = [str(PROMETHEUS / pattern) for pattern in config["rule_files"]]
    if own_limits:
        own = folder / "own.yml"
        own.write_text(yaml.safe_dump({"groups": [{"name": "own", "rules": list(own_limits)}]}))
        config["rule_files"].append(str(own))
    (job,) = config["scrape_configs"]
    job["static_configs"] = [
        {"targets": [address], "labels": {"line": line}} for line, address in targets
    ]
    return config


def _fill(text: Path, data: Path, past: Sequence[Past]) -> None:
    lines = []
    for series in past:
        family = series.metric.removesuffix("_total")
        kind = "gauge" if family == series.metric else "counter"
        header = f"# TYPE {family} {kind}"
        if header not in lines:
            lines.append(header)
        labels = ",".join(f'{name}="{value}"' for name, value in series.labels.items())
        lines += [f"{series.metric}{{{labels}}} {value} {at}" for at, value in series.samples]
    text.write_text("\n".join([*lines, "# EOF", ""]))
    said = promtool("tsdb", "create-blocks-from", "openmetrics", text, data)
    assert said.returncode == 0, said.stdout
