"""The bundles that are asked, made once by one version: the others only serve them."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.answers.pictures import read_sets
from benchmarks.peers.assets import make_assets
from benchmarks.peers.places import Places
from takt.repository.activation import Activation, keep_activation

GOOD = 20
"""Pictures of each set for the thresholds."""

ALPHA = "0.3"
"""So many pictures are over the threshold that verdicts of both kinds and regions are compared."""

RULE = ("--white", "1", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")

OPTIONS: Mapping[str, Sequence[str]] = {
    "whole": ("--resize", "area"),
    "tiled": ("--resize", "tensor_bilinear", "--tile", "384", "--tile-overlap", "48"),
    "cropped": ("--resize", "pillow_bilinear", "--crop-from", "288"),
    "reduced": ("--resize", "area", "--reduced-decode"),
}
"""Of `takt import onnx`, by the bundle's name; `cropped` has a region of interest too."""

ROI = {
    "polygons": [[[0.05, 0.1], [0.95, 0.1], [0.9, 0.9], [0.1, 0.95]]],
    "exclude": [[[0.4, 0.4], [0.6, 0.4], [0.5, 0.6]]],
}


def make_bundles(takt: Path, data: Path, out: Path, copied: Sequence[Path]) -> None:
    """Write a bundle of a small network for each of `OPTIONS`, and copy others.

    Args:
        takt: the command that makes them.
        data: sets of pictures, whose good ones give the thresholds.
        out: the repository; what it holds stays, and must be other bundles.
        copied: folders NAME of a repository, with their versions.

    Raises:
        SystemExit: the command fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    for folder in copied:
        shutil.copytree(folder, out / folder.name)
    with tempfile.TemporaryDirectory() as temporary:
        places = Places(out=Path(temporary), venvs=Path(temporary))
        make_assets(places)
        good = Path(temporary) / "good"
        _write_pictures(data, good)
        roi = Path(temporary) / "roi.json"
        roi.write_text(json.dumps(ROI))
        for name, options in OPTIONS.items():
            more = ("--roi", str(roi)) if name == "cropped" else ()
            command = [takt, "import", "onnx", places.graph("tiny"), "--good", good]
            command += ["--out", out / name / "1", "--alpha", ALPHA, "--threads", 1, "--quiet"]
            _run([*map(str, command), *RULE, *options, *more])
            # It finds no defects, so that it would wait for somebody to say that it may answer.
            keep_activation(out / name, Activation.now("1", None, "asked whatever it finds"))


def _write_pictures(data: Path, good: Path) -> None:
    good.mkdir()
    for name, pictures in read_sets(data, GOOD).items():
        for number, picture in enumerate(pictures):
            (good / f"{name}-{number:03}{Path(picture.name).suffix}").write_bytes(picture.data)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
