"""The same graphs as Takt serves them: bundles, made by `takt import onnx`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.assets import HEIGHTS, INPUT, MODELS, make_assets, part, write_jpeg
from benchmarks.peers.places import Places

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


def make_all(places: Places) -> None:
    """Write the graphs, the pictures and the bundles, over what is there."""
    make_assets(places)
    shutil.rmtree(places.bundles, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder)
        for seed in range(GOOD):
            write_jpeg(part(SIDE, SIDE, seed=1000 + seed), good / f"{seed:03}.jpg")
        for model in MODELS:
            for kind in KINDS:
                _import(places, model, good, kind)


def make_missing(places: Places) -> None:
    """Write all of it unless all is there."""
    made = [places.picture(width) for width in HEIGHTS]
    for model in MODELS:
        made.append(places.graph(model))
        made += [_bundle(places, model, kind) / "manifest.json" for kind in KINDS]
    if not all(path.exists() for path in made):
        make_all(places)


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
