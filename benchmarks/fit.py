"""Takt's fit of an EfficientAD-S against anomalib's: the same pictures, teacher, cores and time.

    python -m venv peer && peer/bin/pip install anomalib==2.7.0 torch torchvision
    python benchmarks/fit.py --data DIR --other DIR --minutes 20 --peer-python peer/bin/python

`--data` has train/good, test/good, test/<defect> and ground_truth/<defect>; `--other` has pictures
of anything else. One fit after the other, with as many threads. benchmarks/fit.md says what is the
same for both and what is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from export.evaluation.data_sets import DataSet, read_data_set
from export.evaluation.evaluate import evaluate
from export.evaluation.inspectors import InspectedPicture
from export.pictures import MAX_PIXELS
from export.versions import package_versions
from models.checkpoints.formats import load_checkpoint
from models.checkpoints.own import load_teacher
from models.efficientad.config import TEACHER_CHANNELS
from service.core.bundles.manifest import Preprocess
from service.core.pictures.decode import decode
from service.core.pictures.placement import placement

PEER = Path(__file__).with_name("fit_peer.py")
ALPHA = 0.5
"""Of the export: thresholds are not compared, and a small set allows no small share."""


@dataclass(frozen=True)
class Result:
    """One side's figures.

    Attributes:
        name: of the side.
        good: pictures that the fit looked at, those for its quantiles among them.
        steps: optimiser steps.
        fit_s: seconds of the fit with all that belongs to it.
        steps_per_s: from the first step to the last.
        image_auroc: of the scores.
        pixel_auroc: of the maps at 256 × 256; None without masks.
    """

    name: str
    good: int
    steps: int
    fit_s: float
    steps_per_s: float
    image_auroc: float
    pixel_auroc: float | None


def main() -> None:
    """Fit both, measure both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="of each fit")
    parser.add_argument("--peer-python", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    data = read_data_set(given.data)
    with tempfile.TemporaryDirectory(prefix="takt-fit-") as folder:
        results = [ours(given, Path(folder)), peer(given, data, Path(folder))]
    print(
        f"{given.data.name}: {given.minutes:g} minutes each, {given.threads} threads, "
        f"seed {given.seed}\n\n{table(results)}"
    )


def ours(given: argparse.Namespace, work: Path) -> Result:
    """`takt fit efficientad`, `takt export onnx` and `takt eval`, as anybody would call them."""
    takt = Path(sys.executable).with_name("takt")
    good = given.data / "train" / "good"
    checkpoint, bundle, figures = work / "o.safetensors", work / "b" / "o" / "1", work / "o.json"
    common = ["--threads", given.threads, "--quiet"]
    fit = [takt, "fit", "efficientad", "--good", good, "--other", given.other, "--out", checkpoint]
    started_s = time.monotonic()
    said = run([*fit, "--minutes", given.minutes, "--seed", given.seed, *common], given.threads)
    fit_s = time.monotonic() - started_s
    pace = re.search(r"(\d+) steps, ([0-9.]+) a second", said)
    if pace is None:
        raise SystemExit(f"takt fit did not say how many steps it took: {said}")
    export = [takt, "export", "onnx", checkpoint, "--good", good, "--out", bundle]
    run([*export, "--alpha", ALPHA, *common], given.threads)
    run([takt, "eval", bundle, "--data", given.data, "--json", figures, *common], given.threads)
    found = json.loads(figures.read_text(encoding="utf-8"))["real"]
    return Result(
        name=f"Takt {package_versions()['takt']}",
        good=len(load_checkpoint((checkpoint,)).seen),
        steps=int(pace[1]),
        fit_s=fit_s,
        steps_per_s=float(pace[2]),
        image_auroc=found["image"]["auroc"],
        pixel_auroc=found["pixel"]["auroc"] if found["pixel"] else None,
    )


def peer(given: argparse.Namespace, data: DataSet, work: Path) -> Result:
    """The EfficientAd of anomalib, by its own trainer, in its own environment."""
    out = work / "peer"
    # torchvision's ImageFolder, by which anomalib reads these pictures, takes folders for classes.
    (out / "other").mkdir(parents=True)
    (out / "other" / "anything").symlink_to(given.other.resolve())
    save_file(widened(load_teacher().state_dict()), out / "teacher.safetensors")
    paths = [sample.path.resolve() for sample in data.samples]
    listed = out / "pictures.json"
    listed.write_text(json.dumps([str(path) for path in paths]), encoding="utf-8")
    command = [
        given.peer_python, PEER,
        "--good", (given.data / "train" / "good").resolve(),
        "--other", out / "other",
        "--teacher", out / "teacher.safetensors",
        "--pictures", listed,
        "--minutes", given.minutes,
        "--threads", given.threads,
        "--seed", given.seed,
        "--out", out,
    ]  # fmt: skip
    run(command, given.threads)
    facts = json.loads((out / "facts.json").read_text(encoding="utf-8"))
    with np.load(out / "answers.npz") as answers:
        inspector = Recorded(paths, answers["scores"], answers["maps"])
    found = evaluate(inspector, data, model="anomalib", version="1", quiet=True).real
    if found is None or found.image is None:
        raise SystemExit(f"{given.data} has no defective pictures to rank")
    return Result(
        name=f"anomalib {facts['anomalib']}",
        good=facts["good"],
        steps=facts["steps"],
        fit_s=facts["fit_s"],
        steps_per_s=facts["steps"] / facts["stepping_s"],
        image_auroc=found.image.auroc,
        pixel_auroc=found.pixel.auroc if found.pixel else None,
    )


def widened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The teacher with anomalib's 384 channels: an orthonormal turn, so that distances stay."""
    last = weights["conv4.weight"]
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(TEACHER_CHANNELS, len(last), generator=generator)).Q
    return {
        **weights,
        "conv4.weight": torch.einsum("oc,cihw->oihw", turn, last).contiguous(),
        "conv4.bias": turn @ weights["conv4.bias"],
    }


class Recorded:
    """Answers with what the peer gave, so that one code computes both sides' figures.

    Args:
        paths: the pictures.
        scores: raw, float32 [n].
        maps: raw, float32 [n,h,w], each over the whole picture.
    """

    def __init__(
        self, paths: Sequence[Path], scores: NDArray[np.float32], maps: NDArray[np.float32]
    ) -> None:
        self._of = {hash_of(path.read_bytes()): place for place, path in enumerate(paths)}
        self._scores = scores
        self._maps = maps

    def inspect(self, data: bytes) -> InspectedPicture:
        """The recorded answer for a picture; it has no threshold and took no time."""
        place = self._of[hash_of(data)]
        height, width, _ = decode(data, MAX_PIXELS).shape
        rows, columns = self._maps[place].shape
        spec = Preprocess(width=columns, height=rows, resize="tensor_bilinear", crop=None)
        return InspectedPicture(
            score=float(self._scores[place]),
            threshold=0.0,
            anomalous=False,
            anomaly_map=self._maps[place],
            width=width,
            height=height,
            placed=placement(spec, width, height),
            total_ms=0.0,
            wall_ms=0.0,
        )


def hash_of(data: bytes) -> str:
    """Tells a picture's file from the others."""
    return hashlib.sha256(data).hexdigest()


def run(command: Sequence[object], threads: int) -> str:
    """Run a command with so many threads and no network; what it printed."""
    words = [str(word) for word in command]
    env = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise SystemExit(f"{' '.join(words[:4])} … failed with status {done.returncode}")
    return done.stdout


def table(results: Sequence[Result]) -> str:
    """The figures in Markdown."""
    rows = [
        "| fit by | good pictures used | minutes | steps | steps/s | image AUROC | pixel AUROC |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        pixel = "-" if one.pixel_auroc is None else f"{one.pixel_auroc:.4f}"
        rows.append(
            f"| {one.name} | {one.good} | {one.fit_s / 60:.1f} | {one.steps} "
            f"| {one.steps_per_s:.2f} | {one.image_auroc:.4f} | {pixel} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
