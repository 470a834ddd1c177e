"""Bundles in their engines and through a server, by batch size and by clients; for a GPU's host.

    python -m benchmarks.gpu_server BUNDLE... --images DIR --engines cuda --json FILE
    python -m benchmarks.gpu_server BUNDLE... --images DIR --engines onnxruntime   # on the CPU

`benchmarks/gpu.sh` runs it. A figure is printed and kept as it comes, so that a run that is cut
short leaves what it has measured. The generator is `takt bench` on the same host: where it uses a
whole core, the figure beside it is the generator's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import Layout, engine_run
from benchmarks.peers.processes import Tree
from benchmarks.realtime.server import TaktServer
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.errors import TaktError
from takt_export.pictures import list_pictures, read_model_input

BATCHES = (1, 16)
CLIENTS = (1, 8, 32)
WORKERS = 2
"""Of a second server, for the most clients: one process may be slower than the GPU."""
INSTANCES = 2
"""Of an engine on the GPU: one copies while the other computes."""


@dataclass(frozen=True)
class EngineRow:
    """Pictures that are prepared already, straight into the engine.

    Attributes:
        model: name of the bundle's model.
        engine: as `takt serve --engine` takes it.
        batch: pictures of a batch.
        images_per_s: of all instances together, the median of the rounds.
    """

    model: str
    engine: str
    batch: int
    images_per_s: float


@dataclass(frozen=True)
class ServedRow:
    """Whole pictures by HTTP.

    Attributes:
        model: name of the bundle's model.
        engine: as `takt serve --engine` takes it.
        workers: processes of the server.
        clients: requests under way at any moment.
        images_per_s: that were answered.
        p50_ms, p99_ms: until the answer.
        failed: requests with another status than 200, or with no answer.
        server_cores: processor time of the server by second, start of the generator included.
        generator_cores: the same of the generator.
    """

    model: str
    engine: str
    workers: int
    clients: int
    images_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    server_cores: float
    generator_cores: float


class Report:
    """What was measured so far, in a file and on the terminal."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._content: dict[str, Any] = {
            "device": device(),
            "cpu_cores": os.cpu_count(),
            "engines": [],
            "served": [],
            "left_out": [],
        }

    def add(self, kind: str, row: EngineRow | ServedRow) -> None:
        """Keep a row of `engines` or `served`."""
        facts = asdict(row)
        self._content[kind].append(facts)
        self._write()
        print("  ".join(_word(name, value) for name, value in facts.items()), flush=True)

    @property
    def whole(self) -> bool:
        """Whether everything was measured."""
        return not self._content["left_out"]

    def leave_out(self, what: str, reason: str) -> None:
        """Keep what could not be measured, and why."""
        self._content["left_out"].append({"what": what, "reason": reason})
        self._write()
        print(f"left out: {what}: {reason}", flush=True)

    def _write(self) -> None:
        if self._path is not None:
            self._path.write_text(json.dumps(self._content, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument("--images", type=Path, required=True, help="Folder of pictures.")
    parser.add_argument("--engines", required=True, help="With commas.")
    parser.add_argument("--seconds", type=float, default=4.0, help="Of each figure by HTTP.")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    report = Report(given.json)
    print(device())
    for bundle in map(load_bundle, given.bundles):
        for engine in given.engines.split(","):
            try:
                measure(bundle, engine, given.images, given.seconds, report)
            except (TaktError, SystemExit) as error:
                report.leave_out(f"{bundle.manifest.name} by {engine}", str(error))
    if not report.whole:
        raise SystemExit(1)


def measure(bundle: Bundle, engine: str, images: Path, seconds: float, report: Report) -> None:
    """One bundle by one engine.

    Raises:
        TaktError: the engine cannot run it here.
        SystemExit: the server did not get ready.
    """
    instances = 1 if engine == "onnxruntime" else INSTANCES
    inputs = _inputs(bundle, images)
    name = bundle.manifest.name
    for batch in BATCHES:
        layout = Layout(engine, instances, 1, batch)
        with engine_run(bundle, layout, inputs) as run:
            rate = float(np.median([run(seconds / 4) for _ in range(3)]))
        report.add("engines", EngineRow(name, engine, batch, rate))
    for workers, clients in ((1, CLIENTS), (WORKERS, CLIENTS[-1:])):
        for row in served(bundle, engine, instances, workers, clients, images, seconds):
            report.add("served", row)


def served(
    bundle: Bundle,
    engine: str,
    instances: int,
    workers: int,
    at_once: tuple[int, ...],
    images: Path,
    seconds: float,
) -> Iterator[ServedRow]:
    """The same through `takt serve`, alone in its repository."""
    options = (
        *("--engine", engine, "--engine-instances", str(instances)),
        *("--max-batch-size", str(max(BATCHES)), "--workers", str(workers)),
    )
    with tempfile.TemporaryDirectory() as folder:
        # A link would lead out of the repository, which the server refuses.
        shutil.copytree(bundle.path, Path(folder) / bundle.manifest.name / bundle.manifest.version)
        with TaktServer(Path(folder), *options) as server:
            tree = Tree(server.pid)
            for clients in at_once:
                server_s, generator_s, wall_s = tree.cpu_s(), _children_s(), time.monotonic()
                figures = server.bench(
                    *("--images", str(images), "--concurrency", str(clients)),
                    *("--warmup", "1", "--duration", str(seconds)),
                )
                wall_s = time.monotonic() - wall_s
                yield ServedRow(
                    model=bundle.manifest.name,
                    engine=engine,
                    workers=workers,
                    clients=clients,
                    images_per_s=figures["answered_per_s"],
                    p50_ms=figures["latency_ms"]["p50"],
                    p99_ms=figures["latency_ms"]["p99"],
                    failed=sum(one["count"] for one in figures["outcomes"] if one["status"] != 200),
                    server_cores=(tree.cpu_s() - server_s) / wall_s,
                    generator_cores=(_children_s() - generator_s) / wall_s,
                )


def device() -> str:
    """The name of the card, as its driver says; else of the processor."""
    if shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.splitlines()[0].strip()
    return f"no GPU, {platform.machine()}"


def _inputs(bundle: Bundle, images: Path) -> np.ndarray:
    manifest = bundle.manifest
    paths = list_pictures(images)[: max(BATCHES)]
    return np.stack([read_model_input(one, manifest.preprocess, manifest.tiling) for one in paths])


def _children_s() -> float:
    """Processor time of the programs that were run and have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _word(name: str, value: str | int | float) -> str:
    if isinstance(value, str):
        return f"{value:<18}"
    return f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"


if __name__ == "__main__":
    main()
