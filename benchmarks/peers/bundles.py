"""The same graphs as Takt serves them: bundles, made by `takt import onnx`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.assets import HEIGHTS, INPUT, MODELS, make_assets, part, write_jpeg
from benchmarks.peers.places import Places
from takt.repository.activation import ACTIVE, Activation, keep_activation

NAME = "bench"
GOOD = 200
"""Pictures for the thresholds, which the comparison does not look at."""

SIDE = 2 * INPUT
"""Of these pictures: the least that is decoded reduced where that is allowed."""

RULE = ("--white", "1", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
"""What servers/job.py does to a resized picture, as options of `takt import onnx`."""

KINDS = {
    "reduced": ("--resize", "area", "--reduced-decode"),
    "whole": ("--resize", "area"),
    "levels": ("--resize", "tensor_bilinear", "--input", "uint8"),
    "floats": ("--resize", "tensor_bilinear", "--input", "float32"),
}
"""How a bundle's pictures become its graph's input; servers/job.py does as `whole`."""


def make_missing(
    places: Places, models: Sequence[str] = MODELS, kinds: Sequence[str] = tuple(KINDS)
) -> None:
    """Write what is not there of the graphs, the pictures and these bundles.

    Args:
        places: where they lie.
        models: of `assets.MODELS`.
        kinds: of `KINDS`.
    """
    made = [*map(places.picture, HEIGHTS), *map(places.graph, MODELS)]
    if not all(path.exists() for path in made):
        make_assets(places)
    missing = [
        (model, kind)
        for model in models
        for kind in kinds
        if not (_bundle(places, model, kind).parent / ACTIVE).exists()
    ]
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder)
        for seed in range(GOOD if missing else 0):
            write_jpeg(part(SIDE, SIDE, seed=1000 + seed), good / f"{seed:03}.jpg")
        for model, kind in missing:
            shutil.rmtree(_bundle(places, model, kind).parent, ignore_errors=True)
            _import(places, model, good, kind)


def _bundle(places: Places, model: str, kind: str) -> Path:
    return places.repository(model, kind) / NAME / "1"


def _import(places: Places, model: str, good: Path, kind: str) -> None:
    bundle = _bundle(places, model, kind)
    takt = Path(sys.executable).with_name("takt")
    command = [takt, "import", "onnx", places.graph(model), "--good", good, "--out", bundle]
    command += [*KINDS[kind], *RULE, "--quiet"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"takt import onnx failed for {model}:\n{done.stdout}{done.stderr}")
    # The self-test says of a random graph not to serve it, so that it would wait for somebody.
    keep_activation(bundle.parent, Activation.now("1", None, "measured whatever it finds"))
