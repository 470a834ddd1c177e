"""What the watch costs: time for the facts of a picture, throughput, and bytes of a model.

    python -m benchmarks.drift.cost [PICTURE.jpg] [--repository DIR --model NAME]

First a picture's facts, the comparison with the look of good ones, the watch and ECOD, each by
itself, on one thread. Then two servers with a record, one of a bundle that knows its good pictures
and one of the same bundle without them, in adjacent pairs as in `benchmarks/record/throughput.py`.
It needs Debian's `wrk`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.realtime.server import TaktServer
from benchmarks.record.recent import ROOT, Median, demo_picture
from benchmarks.record.throughput import Side, pairs_of, table_of, warm_up
from service.core.bundles.bundle import Bundle, load_bundle
from service.core.bundles.writing import replace_calibration
from service.core.pictures.facts import picture_facts
from service.recording.watch.known import WATCHED, KnownBundle, watched_of
from service.watching.causes import CauseWatch
from service.watching.ecod import Ecod

SIDES = (256, 320, 448)
MOST_MS, LEAST_RATIO, MOST_BYTES = 0.3, 0.97, 1 << 20


@click.command()
@click.argument("picture", type=click.Path(exists=True, path_type=Path), required=False)
@click.option(
    "--repository",
    type=click.Path(exists=True, path_type=Path),
    default=ROOT / "examples/bank",
    help="Folder of bundles; else the shipped one.",
)
@click.option("--model", default="pitting", show_default=True)
@click.option("--clients", default=8, show_default=True)
@click.option("--pairs", default=7, show_default=True)
@click.option("--seconds", default=4, show_default=True, help="Of a run.")
@click.option("--options", default="--engine-instances 2 --engine-threads 1", show_default=True)
def main(
    picture: Path | None,
    repository: Path,
    model: str,
    clients: int,
    pairs: int,
    seconds: int,
    options: str,
) -> None:
    """Print what a picture costs, and the ratio of throughput with the watch and without."""
    bundle = load_bundle(next((repository / model).iterdir()))
    cv2.setNumThreads(1)
    _times(bundle)
    with tempfile.TemporaryDirectory() as folder:
        picture = picture or demo_picture(Path(folder))
        without = _without_facts(bundle, Path(folder) / "without")
        bytes_of_facts = bundle.sizes[bundle.manifest.calibration] - _size_of(without)
        told = "met" if bytes_of_facts <= MOST_BYTES else "MISSED"
        print(f"\nfacts in the bundle: {bytes_of_facts / 1000:.0f} kB (at most 1 MB): {told}")
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        layout = (*options.split(), "--no-request-log", "--record", "sqlite")
        with (
            TaktServer(without, *layout, "--data-folder", f"{folder}/a") as plain,
            TaktServer(repository, *layout, "--data-folder", f"{folder}/b") as watching,
        ):
            off, on = (Side(one, model, picture, 5) for one in (plain, watching))
            warm_up(off, on, clients)
            found = pairs_of(off, on, clients, pairs, seconds)
            for side in (off, on):
                side.resume()
    print(table_of(found))
    ratio = Median.of(other.per_s / one.per_s for one, other in found)
    cpu = Median.of(other.cpu_ms / one.cpu_ms for one, other in found)
    told = "met" if ratio.value >= LEAST_RATIO else "MISSED"
    print(
        f"median of {pairs} pairs: throughput {ratio} (at least {LEAST_RATIO}), processor time "
        f"{cpu}: {told}; load after {os.getloadavg()[0]:.1f}"
    )


def _times(bundle: Bundle) -> None:
    known = KnownBundle.of(bundle)
    assert known.facts is not None and known.calibration is not None
    watch, ecod = CauseWatch(known.calibration), Ecod(known.facts.table.astype(np.float64))
    rng = np.random.default_rng(0)
    print(f"ms of a picture, median of 200 (bar at 256: {MOST_MS} in all)")
    for side in SIDES:
        levels = cv2.GaussianBlur(rng.integers(0, 255, (side, side, 3), np.uint8), (5, 5), 2)
        facts = picture_facts(levels.astype(np.uint8), 640, 480)
        row = facts.beside(known.facts.look)
        watched = watched_of(row[None])
        parts = {
            "facts": _ms(partial(picture_facts, levels.astype(np.uint8), 640, 480)),
            "beside": _ms(partial(facts.beside, known.facts.look)),
            "watch": _ms(partial(watch.see_all, watched)),
            "ecod": _ms(partial(ecod.score, row.astype(np.float64))),
        }
        whole = sum(parts.values())
        told = ", ".join(f"{name} {value:.3f}" for name, value in parts.items())
        print(f"  {side} x {side}: {told}; {len(WATCHED)} facts watched; in all {whole:.3f}")


def _ms(work: Callable[[], object]) -> float:
    took = []
    for _ in range(200):
        started_s = time.perf_counter()
        work()
        took.append(time.perf_counter() - started_s)
    return 1000 * float(np.median(took))


def _without_facts(bundle: Bundle, repository: Path) -> Path:
    """A repository with a copy of the bundle that knows nothing of its good pictures."""
    path = repository / bundle.manifest.name / bundle.manifest.version
    shutil.copytree(bundle.path, path)
    copied = load_bundle(path)
    none = np.zeros((0, 0), np.float32)
    calibration = replace(
        copied.calibration,
        facts=none,
        fact_names=np.zeros(0, "U16"),
        look_mean=none,
        look_spread=none,
    )
    former = copied.manifest
    replace_calibration(
        copied, calibration, former.thresholds, former.map.low, former.self_test, None
    )
    return repository


def _size_of(repository: Path) -> int:
    (file,) = repository.glob("*/*/calibration*.npz")
    return file.stat().st_size


if __name__ == "__main__":
    main()
