"""Engines × precisions × layouts on one bundle: images/s beside torch and beside the ceiling.

    takt export openvino BUNDLE --precision int8 --good DIR      # and bf16
    python -m benchmarks.engines BUNDLE --checkpoint FILE --images DIR [--serve] [--json FILE]

All candidates take turns, so that a change of the machine hits all alike. `--gpu` measures the
reference graph and the variants of a GPU by batch sizes instead; torch is left out there.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.ceilings import Ceiling, count_gmac, measure_ceiling
from benchmarks.realtime.server import TaktServer
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.engines.base import Engine
from takt.core.engines.opener import engine_opener
from takt.core.engines.options import EngineOptions
from takt.core.errors import TaktError
from takt_export.pictures import list_pictures, read_model_input

if TYPE_CHECKING:
    import torch

CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Layout:
    """How an engine is run: so many at the same time, so many threads of each, so large batches."""

    engine: str
    instances: int
    threads: int
    batch_size: int

    def __str__(self) -> str:
        """As a row's name."""
        batch = f", batch {self.batch_size}" if self.batch_size > 1 else ""
        return f"{self.engine}, {self.instances} x {self.threads} threads{batch}"


@dataclass(frozen=True)
class Row:
    """What came out.

    Attributes:
        name: of the candidate.
        images_per_s: the median of the rounds.
        over_torch: how many times torch eager's; None without torch.
        of_ceiling: share of the rate at which this host can multiply in that precision.
    """

    name: str
    images_per_s: float
    over_torch: float | None
    of_ceiling: float | None


def main() -> None:
    """Measure and print."""
    given = _arguments()
    bundle = load_bundle(given.bundle)
    images = _inputs(bundle, given.images)
    ceiling = None if given.gpu else measure_ceiling(CORES)
    gmac = 0.0 if ceiling is None else count_gmac(bundle.model_path)
    if ceiling is not None:
        print(
            f"{gmac:.2f} GMAC a picture; ceilings in GMAC/s on {CORES} threads: "
            f"fp32 {ceiling.fp32:.0f}, bf16 {ceiling.bf16:.0f}, int8 {ceiling.int8:.0f}"
        )
    runs: dict[str, Callable[[float], float]] = {}
    precisions: dict[str, str] = {}
    with ExitStack() as to_close:
        if given.checkpoint:
            for name, run in _torch_runs(given.checkpoint, images):
                runs[name], precisions[name] = run, "fp32"
        for layout in _layouts(bundle, given):
            try:
                run = to_close.enter_context(engine_run(bundle, layout, images))
            except TaktError as error:
                print(f"{layout}: {error}")
                continue
            runs[str(layout)] = run
            precisions[str(layout)] = _precision(bundle, layout.engine)
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.rounds):
            for name, run in runs.items():
                rates[name].append(run(given.seconds))
    rows = _rows(rates, precisions, ceiling, gmac)
    _print(rows)
    served = list(_served(bundle, given, images)) if given.serve else []
    if given.json:
        given.json.write_text(
            json.dumps(
                {
                    "gmac": gmac,
                    "ceiling": asdict(ceiling) if ceiling else None,
                    "rows": [asdict(row) for row in rows],
                    "served": served,
                },
                indent=1,
            )
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="Runs torch eager beside the engines.")
    parser.add_argument("--images", type=Path, help="Pictures; else the bundle's golden ones.")
    parser.add_argument("--engines", help="With commas; else all that the bundle has.")
    parser.add_argument("--batch-sizes", default="1")
    parser.add_argument("--seconds", type=float, default=2.0, help="Of a candidate in a round.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help="Also through the server.")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _layouts(bundle: Bundle, given: argparse.Namespace) -> Iterator[Layout]:
    variants = [one.name for one in bundle.manifest.variants]
    if given.gpu:
        gpu = [one.name for one in bundle.manifest.variants if one.provider != "cpu"]
        names = given.engines.split(",") if given.engines else ["cuda", "tensorrt", *gpu]
        for name in names:
            for size in given.batch_sizes.split(","):
                yield Layout(name, 1, 1, int(size))
                yield Layout(name, 2, 1, int(size))
        return
    names = given.engines.split(",") if given.engines else ["onnxruntime", "openvino", *variants]
    for name in names:
        for size in given.batch_sizes.split(","):
            yield Layout(name, 1, CORES, int(size))
            if CORES > 1:
                yield Layout(name, CORES, 1, int(size))


@contextmanager
def engine_run(
    bundle: Bundle, layout: Layout, images: np.ndarray
) -> Iterator[Callable[[float], float]]:
    """Its threads call the engine for some seconds, and its rate comes out."""
    options = EngineOptions(
        engine=layout.engine,
        engine_instances=layout.instances,
        engine_threads=layout.threads,
        max_batch_size=layout.batch_size,
    )
    with ExitStack() as to_close:
        engine = to_close.enter_context(closing(engine_opener(options)(bundle).engine))
        engines = [engine] * layout.instances
        if not engine.shareable:
            engines[1:] = [
                to_close.enter_context(closing(engine_opener(options)(bundle).engine))
                for _ in range(layout.instances - 1)
            ]
        batch = np.ascontiguousarray(
            np.resize(images, (max(len(images), layout.batch_size), *images.shape[1:]))[
                : layout.batch_size
            ]
        )
        yield lambda seconds: _rate(engines, batch, seconds)


def _rate(engines: list[Engine], batch: np.ndarray, seconds: float) -> float:
    engines[0].infer(batch)
    counts = [0] * len(engines)
    stop_s = time.perf_counter() + seconds

    def work(index: int) -> None:
        while time.perf_counter() < stop_s:
            engines[index].infer(batch)
            counts[index] += len(batch)

    started_s = time.perf_counter()
    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(engines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started_s)


def _torch_runs(
    checkpoint: Path, images: np.ndarray
) -> Iterator[tuple[str, Callable[[float], float]]]:
    """Eager, as somebody runs it who exports nothing; and with channels last."""
    import torch

    from takt_models.checkpoints.formats import load_checkpoint

    model = load_checkpoint((checkpoint,)).model.eval()
    pixels = torch.from_numpy(images[:1].copy()).permute(0, 3, 1, 2).float().contiguous() / 255

    def run(inputs: torch.Tensor, seconds: float) -> float:
        with torch.inference_mode():
            # torch takes it, and its annotations lack it.
            model.to(memory_format=_format(inputs))  # type: ignore[call-overload]
            model(inputs)
            started_s, count = time.perf_counter(), 0
            while time.perf_counter() - started_s < seconds:
                model(inputs)
                count += 1
        return count / (time.perf_counter() - started_s)

    yield f"torch eager, 1 x {CORES} threads", lambda seconds: run(pixels, seconds)
    last = pixels.contiguous(memory_format=torch.channels_last)
    yield f"torch eager channels last, 1 x {CORES} threads", lambda seconds: run(last, seconds)


def _format(inputs: torch.Tensor) -> torch.memory_format:
    import torch

    last = inputs.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _served(bundle: Bundle, given: argparse.Namespace, images: np.ndarray) -> list[dict[str, Any]]:
    """The server against the engine alone, in turn, with one instance for each core."""
    rows = []
    for variant in bundle.manifest.variants:
        layout = Layout(variant.name, CORES, 1, 1)
        options = ("--engine", variant.name, "--engine-instances", str(CORES))
        pictures = str(given.images or "examples/pictures/pitting")
        ratios, rates = [], []
        with TaktServer(bundle.path.parents[1], *options, "--engine-threads", "1") as server:
            for _ in range(3):
                with engine_run(bundle, layout, images) as run:
                    alone = run(2 * given.seconds)
                figures = server.bench(
                    *("--images", pictures, "--concurrency", str(2 * CORES)),
                    *("--duration", str(2 * given.seconds)),
                )
                rates.append(figures["answered_per_s"])
                ratios.append(figures["answered_per_s"] / alone)
        row = {
            "engine": variant.name,
            "served_per_s": float(np.median(rates)),
            "of_engine_alone": float(np.median(ratios)),
        }
        print(f"served {variant.name}: {row['served_per_s']:.1f}/s, "
              f"{row['of_engine_alone']:.3f} of the engine alone")  # fmt: skip
        rows.append(row)
    return rows


def _precision(bundle: Bundle, engine: str) -> str:
    found = [one.precision for one in bundle.manifest.variants if one.name == engine]
    return found[0] if found else "fp32"


def _inputs(bundle: Bundle, folder: Path | None) -> np.ndarray:
    if folder is None:
        return bundle.golden.images
    manifest = bundle.manifest
    return np.stack(
        [
            read_model_input(path, manifest.preprocess, manifest.tiling)
            for path in list_pictures(folder)[:8]
        ]
    )


def _rows(
    rates: dict[str, list[float]],
    precisions: dict[str, str],
    ceiling: Ceiling | None,
    gmac: float,
) -> list[Row]:
    medians = {name: float(np.median(values)) for name, values in rates.items()}
    eager = next((rate for name, rate in medians.items() if name.startswith("torch")), None)
    return [
        Row(
            name,
            rate,
            None if eager is None else rate / eager,
            None if ceiling is None else rate * gmac / ceiling.of(precisions[name]),
        )
        for name, rate in medians.items()
    ]


def _print(rows: list[Row]) -> None:
    for row in rows:
        over = "" if row.over_torch is None else f"{row.over_torch:6.2f} x torch eager"
        share = "" if row.of_ceiling is None else f"{row.of_ceiling:7.1%} of the ceiling"
        print(f"{row.name:<48} {row.images_per_s:8.2f}/s {over} {share}", flush=True)


if __name__ == "__main__":
    main()
