"""A server under load and a Prometheus that has watched it all the while.

Prometheus scrapes the server as two lines; a third line, and a second server of line 2, are
addresses where nobody answers. Line 2 has limits of its own that it exceeds. Model `broken` cannot
be loaded, nor can version 0 of the other; Prometheus remembers that `broken` had pictures, and how
few rejects there were the day before. A third of the pictures under load is anomalous, some are no
pictures, some have a millisecond of time, a dozen come at once to a queue of four, and a stream
brings more than the engine can look at. Line 1 has a GPU as well, whose figures are made up.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
from prometheus_client import CollectorRegistry, start_http_server

from takt.observing.instruments.gpu_metrics import GpuCollector
from takt_client import FrameAnswer, FrameDropped, TaktClient
from tests.conftest import run_server
from tests.deploy.grafana import Query, dashboard, queries
from tests.deploy.live_prometheus import Past, Prometheus, Series, eventually, run_prometheus
from tests.deploy.prometheus_tools import ROOT
from tests.manifests import rewrite_manifest

TAKT = Path(sys.executable).with_name("takt")
MODELS = ROOT / "examples/models"
PICTURES = ROOT / "examples/pictures"
MODEL = "pitting"
INTERVAL_S = 0.5
QUEUE = 4
BENCH_REQUESTS = 30
NOBODY = "127.0.0.1:1"
OVER_BENCH = {"line": "line-1", "model": MODEL, "__rate_interval": "5m"}

OWN_LIMITS = [
    {
        "record": "line:takt_cycle_budget_seconds:own",
        "labels": {"line": "line-2"},
        "expr": "vector(0.001)",
    },
    {
        "record": "line:takt_memory_limit_bytes:own",
        "labels": {"line": "line-2"},
        "expr": "vector(1024 ^ 2)",
    },
]


@dataclass(frozen=True)
class Plant:
    """Everything after the load."""

    prometheus: Prometheus
    bench_p99_s: float
    p99_after_bench: list[Series]
    began_s: float
    ended_s: float


@contextmanager
def run_plant(folder: Path) -> Iterator[Plant]:
    """Everything, from the moment that Prometheus has seen the last of the load.

    Args:
        folder: for models and data.
    """
    repository = folder / "models"
    copy(MODEL, "1", repository)
    copy(MODEL, "2", repository)
    damage(copy(MODEL, "0", repository))
    damage(copy("broken", "1", repository))
    options = ["--max-queue-size", str(QUEUE), "--record", "sqlite", "--keep", "sample=1"]
    options += ["--data-folder", str(folder / "data")]
    with run_server(repository, *options) as server, gpu_host() as gpu:
        eventually(lambda: active_is_ready(server.url), 60)
        with httpx.Client(base_url=server.url) as http:
            for body in bodies("good")[:2]:
                assert inspected(http, body).status_code == 200
        port = server.url.rpartition(":")[2]
        targets = [
            ("line-1", f"127.0.0.1:{port}"),
            ("line-1", gpu),
            ("line-2", f"localhost:{port}"),
            ("line-2", NOBODY),
            ("line-3", NOBODY),
        ]
        began_s = time.time()
        past = [*past_of_rejects(began_s), *past_of_broken(began_s)]
        with run_prometheus(
            folder, targets, interval_s=INTERVAL_S, own_limits=OWN_LIMITS, past=past
        ) as prometheus:
            scraped(prometheus, server.url)
            bench_p99_s = bench(server.url, folder / "bench.json")
            scraped(prometheus, server.url)
            p99 = prometheus.instant(latency_p99().asked(OVER_BENCH))
            # Twice, as Prometheus sees no increase in a counter's first value.
            stream(server.url)
            scraped(prometheus, server.url)
            load(server.url)
            stream(server.url)
            scraped(prometheus, server.url)
            loaded_s = time.time()
            eventually(lambda: all(evaluated_s(rule) > loaded_s for rule in prometheus.rules()))
            yield Plant(prometheus, bench_p99_s, p99, began_s, time.time())


def latency_p99() -> Query:
    """How the engineers' dashboard asks for the latency's 99th percentile."""
    (found,) = [
        query
        for query in queries(dashboard("engineer"))
        if query.title == "Latency" and query.legend.endswith("p99")
    ]
    return found


@contextmanager
def gpu_host() -> Iterator[str]:
    """The address of what shows a GPU's figures, as the server does where NVML finds one."""
    nvml = SimpleNamespace(
        NVMLError=RuntimeError,
        NVML_TEMPERATURE_GPU=0,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUtilizationRates=lambda device: SimpleNamespace(gpu=25),
        nvmlDeviceGetMemoryInfo=lambda device: SimpleNamespace(used=2 << 30, total=8 << 30),
        nvmlDeviceGetTemperature=lambda device, sensor: 61,
        nvmlDeviceGetPowerUsage=lambda device: 70_500,
    )
    registry = CollectorRegistry()
    registry.register(GpuCollector(nvml))
    host, thread = start_http_server(0, "127.0.0.1", registry)
    yield f"127.0.0.1:{host.server_port}"
    host.shutdown()
    host.server_close()
    thread.join()


def copy(model: str, version: str, repository: Path) -> Path:
    """The shipped bundle under another name or version."""
    place = repository / model / version
    shutil.copytree(MODELS / MODEL / "1", place)
    rewrite_manifest(place, lambda manifest: manifest.update(name=model, version=version))
    return place


def damage(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"no graph")


def active_is_ready(url: str) -> bool:
    models = httpx.get(f"{url}/health/ready").json()["models"]
    return any(model["ready"] for model in models if model["version"] == "2")


def past_of_rejects(now_s: float) -> Iterator[Past]:
    """A day until 20 minutes ago: 20 pictures in 5 minutes, and every hundredth rejected."""
    times = [now_s - 1200 - 300 * step for step in range(280, -1, -1)]
    for line in ("line-1", "line-2"):
        for verdict, each in (("good", 19.8), ("anomalous", 0.2)):
            labels = {"job": "takt", "instance": "before", "line": line, "model": MODEL}
            labels |= {"protocol": "rest", "verdict": verdict, "outcome": "ok"}
            samples = [(at, each * step) for step, at in enumerate(times)]
            yield Past("takt_requests_total", labels, samples)


def past_of_broken(now_s: float) -> Iterator[Past]:
    """An hour of ten pictures a minute, the last one an hour ago."""
    labels = {"job": "takt", "instance": "before", "line": "line-1", "model": "broken"}
    times = [now_s - 3600 - 60 * step for step in range(60, -1, -1)]
    yield Past("takt_last_picture_timestamp_seconds", labels, [(at, at) for at in times])
    labels = labels | {"protocol": "rest", "verdict": "good", "outcome": "ok"}
    samples = [(at, 10.0 * step) for step, at in enumerate(times)]
    yield Past("takt_requests_total", labels, samples)


def bodies(kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(PICTURES.glob(f"{kind}/*.jpg"))]


def inspected(http: httpx.Client, body: bytes, **query: str) -> httpx.Response:
    path, station = f"/v1/models/{MODEL}/inspect", {"X-Takt-Station": "press-1"}
    return http.post(path, params=query, content=body, headers=station, timeout=60)


def bench(url: str, path: Path) -> float:
    """The 99th percentile of one caller's latencies, in seconds."""
    options = ["--concurrency", "1", "--requests", str(BENCH_REQUESTS), "--json", str(path)]
    options += ["--warmup", "0", "--duration", "120", "--model", MODEL]
    subprocess.run(
        [str(TAKT), "bench", url, "--images", str(PICTURES), *options],
        check=True,
        capture_output=True,
    )
    figures = json.loads(path.read_text())["figures"]
    assert figures["answered"] == BENCH_REQUESTS
    return float(figures["latency_ms"]["p99"]) / 1000


def load(url: str) -> None:
    """A bit of everything that the server counts."""
    good, bad = bodies("good"), bodies("pitting")
    with httpx.Client(base_url=url, timeout=60) as http:
        shown = [inspected(http, body, heatmap="overlay").json() for body in bad[2:4]]
        assert all(answer["anomalous"] and answer["heatmap"] for answer in shown)
        for _ in range(6):
            assert inspected(http, b"no picture").status_code == 400
            assert inspected(http, good[0], timeout_ms="1").status_code == 504
        with ThreadPoolExecutor(12) as pool:
            burst = list(pool.map(lambda body: inspected(http, body).status_code, good * 2))
        assert set(burst) == {200, 429}
        change = {"image": 0.5, "reason": "a test"}
        assert http.put(f"/v1/models/{MODEL}/threshold", json=change).status_code == 200
        assert http.post(f"/v1/models/{MODEL}/versions/1/activate").status_code == 200
        assert inspected(http, good[0]).json()["version"] == "1"


def stream(url: str) -> None:
    """More frames than the engine can look at."""
    with TaktClient(url) as client, client.stream(MODEL, policy="latest") as frames:
        found = list(frames.inspect(iter(bodies("good") * 6)))
    assert {type(item) for item in found} == {FrameAnswer, FrameDropped}


def scraped(prometheus: Prometheus, url: str) -> None:
    """Wait until Prometheus has seen of both lines what the server has counted by now."""
    total = 0.0
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith("takt_requests_total"):
            total += float(line.rpartition(" ")[2])
    expr = 'sum by (line) (takt_requests_total{instance!="before"})'

    def seen() -> bool:
        found = [series.values[0] for series in prometheus.instant(expr)]
        return found == [total, total]

    eventually(seen)


def evaluated_s(rule) -> float:
    """When a rule was evaluated last, in Unix time."""
    at = re.sub(r"(\.\d{6})\d*", r"\1", rule["lastEvaluation"])
    return datetime.fromisoformat(at).timestamp()
