"""A bank beside an EfficientAD: the same pictures, cores and run, each through a running server.

    python -m benchmarks.patchcore.speed BANK EFFICIENTAD --data DIR \
        [--engines onnxruntime openvino openvino-int8] [--rounds 2] [--seconds 5] [--json FILE]

BANK and EFFICIENTAD are bundles; of the engines, each bundle runs those that it has a variant for.
Pictures a second with an instance on each core and two clients for each; p50 with one client and
all cores in one instance. Bundles and engines take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.realtime.server import TaktServer
from export.evaluation.data_sets import read_data_set
from export.evaluation.evaluate import evaluate
from export.evaluation.inspectors import LocalInspector
from service.core.bundles.bundle import load_bundle

CORES = os.cpu_count() or 1
FLOAT32 = ("onnxruntime", "openvino", "openvino-fp32")


@dataclass
class Cell:
    """Figures of one bundle on one engine, by round.

    Attributes:
        per_s: pictures answered a second, an instance on each core.
        p50_ms: of one client, one instance on all cores.
        memory_mib: the server's peak.
        image_auroc: in this process, on the same engine; None without labels.
    """

    per_s: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    memory_mib: float = 0.0
    image_auroc: float | None = None


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bank", type=Path)
    parser.add_argument("efficientad", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="a set in MVTec AD's layout")
    parser.add_argument(
        "--engines", nargs="+", default=["onnxruntime", "openvino", "openvino-int8"]
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    bundles = {"bank": given.bank, "efficientad": given.efficientad}
    cells: dict[tuple[str, str], Cell] = defaultdict(Cell)
    for _ in range(given.rounds):
        for engine in given.engines:
            for name, bundle in bundles.items():
                if _has(bundle, engine):
                    _measure(bundle, engine, given, cells[name, engine])
    bank = load_bundle(given.bank)
    for (name, engine), cell in cells.items():
        if name == "bank":
            with LocalInspector(bank, engine=engine) as local:
                data = read_data_set(given.data)
                found = evaluate(local, data, model=name, version="1", quiet=True)
            assert found.real and found.real.image
            cell.image_auroc = found.real.image.auroc
    _print(cells)
    if given.json:
        rows = {f"{name} {engine}": asdict(cell) for (name, engine), cell in cells.items()}
        given.json.write_text(json.dumps(rows, indent=1))


def _has(bundle: Path, engine: str) -> bool:
    variants = {one.name for one in load_bundle(bundle).manifest.variants}
    return engine in variants | {"onnxruntime", "openvino"}


def _measure(bundle: Path, engine: str, given: argparse.Namespace, cell: Cell) -> None:
    images = ("--images", str(given.data / "test"), "--duration", str(given.seconds))
    each_core = ("--engine-instances", str(CORES), "--engine-threads", "1")
    as_one = ("--engine-instances", "1", "--engine-threads", str(CORES))
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder)
        manifest = load_bundle(bundle).manifest
        shutil.copytree(bundle, repository / manifest.name / manifest.version)
        with TaktServer(repository, "--engine", engine, *each_core) as server:
            figures = server.bench(*images, "--concurrency", str(2 * CORES))
            cell.per_s.append(figures["answered_per_s"])
            cell.memory_mib = max(cell.memory_mib, server.memory_mib("VmHWM"))
        with TaktServer(repository, "--engine", engine, *as_one) as server:
            figures = server.bench(*images, "--concurrency", "1")
            cell.p50_ms.append(figures["latency_ms"]["p50"])


def _print(cells: dict[tuple[str, str], Cell]) -> None:
    print("| model | engine | pictures/s | p50, one client, ms | peak MiB | image AUROC |")
    print("|---|---|---|---|---|---|")
    best: dict[tuple[str, bool], float] = {}
    for (name, engine), cell in cells.items():
        per_s, p50_ms = statistics.median(cell.per_s), statistics.median(cell.p50_ms)
        auroc = "" if cell.image_auroc is None else f"{cell.image_auroc:.4f}"
        print(
            f"| {name} | {engine} | {per_s:.1f} | {p50_ms:.1f} | {cell.memory_mib:.0f} | {auroc} |"
        )
        for float32_only in (True, False):
            if engine in FLOAT32 or not float32_only:
                key = name, float32_only
                best[key] = max(best.get(key, 0.0), per_s)
    for float32_only, label in ((True, "in float32"), (False, "in the best variant of each")):
        if all(best.get((name, float32_only)) for name in ("bank", "efficientad")):
            ratio = best["bank", float32_only] / best["efficientad", float32_only]
            print(f"\n{label}: {ratio:.1f} times as many pictures a second")


if __name__ == "__main__":
    main()
