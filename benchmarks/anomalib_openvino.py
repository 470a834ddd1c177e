"""Takt's server beside anomalib's own OpenVINOInferencer: one fitted EfficientAD, same pictures.

    python -m benchmarks.anomalib_openvino BUNDLE --checkpoint FILE --data DIR \
        --anomalib-python VENV/bin/python [--engine openvino-int8] [--json FILE]

The checkpoint is one of `takt fit efficientad`, from which the bundle was exported; its weights are
handed to anomalib, which exports them by its own code. Speeds are measured in turn; the AUROCs of
both by the same code from the answers of both.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.realtime.server import TaktServer
from export.evaluation.data_sets import read_data_set
from export.evaluation.evaluate import Evaluation, evaluate
from export.evaluation.inspectors import InspectedPicture, LocalInspector
from models.checkpoints.anomalib.efficientad import QUANTILES
from models.checkpoints.formats import load_checkpoint
from models.efficientad.detector import EfficientAd
from service.core.bundles.bundle import load_bundle
from service.core.bundles.manifest import Preprocess
from service.core.pictures.decode import decode
from service.core.pictures.placement import placement

CORES = os.cpu_count() or 1
ROUNDS = 3


class Stored:
    """An inspector that hands out what was answered elsewhere, by the bytes of the picture."""

    def __init__(self, pictures: list[Path], scores: np.ndarray, maps: np.ndarray) -> None:
        self._answers = {
            _digest(path.read_bytes()): (float(score), one)
            for path, score, one in zip(pictures, scores, maps, strict=True)
        }

    def inspect(self, data: bytes) -> InspectedPicture:
        """The answer to a picture; what it took was not measured here."""
        score, anomaly_map = self._answers[_digest(data)]
        height, width, _ = decode(data, 200_000_000).shape
        spec = Preprocess(width=256, height=256, resize="area")
        return InspectedPicture(
            score, 0.0, False, anomaly_map, width, height, placement(spec, width, height), 0.0, 0.0
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--anomalib-python", type=Path, required=True)
    parser.add_argument("--engine", default="openvino-int8")
    parser.add_argument("--peer-precision", help="Of anomalib's: f32; else as OpenVINO chooses.")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    bundle = load_bundle(given.bundle)
    data = read_data_set(given.data)
    pictures = [sample.path for sample in data.samples]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        channels = _hand_over(given.checkpoint, out / "weights.safetensors")
        (out / "pictures.json").write_text(json.dumps([str(path.resolve()) for path in pictures]))
        command = [
            *(
                str(given.anomalib_python),
                str(Path(__file__).with_name("anomalib_openvino_peer.py")),
            ),
            *("--weights", str(out / "weights.safetensors"), "--channels", str(channels)),
            *("--pictures", str(out / "pictures.json"), "--out", str(out / "peer")),
        ]
        if given.peer_precision:
            command += ["--precision", given.peer_precision]
        options = ("--engine", given.engine, "--engine-instances", str(CORES))
        with (
            subprocess.Popen(
                # It leaves a cache where it is started.
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=out,
            ) as peer,
            TaktServer(bundle.path.parents[1], *options, "--engine-threads", "1") as server,
        ):
            assert peer.stdin and peer.stdout
            facts = json.loads(peer.stdout.readline())
            ours, theirs = [], []
            for _ in range(ROUNDS):
                peer.stdin.write(f"{given.seconds}\n")
                peer.stdin.flush()
                theirs.append(float(peer.stdout.readline()))
                figures = server.bench(
                    *("--images", str(given.data / "test"), "--concurrency", str(2 * CORES)),
                    *("--duration", str(given.seconds)),
                )
                ours.append(figures["answered_per_s"])
            peer.stdin.write("\n")
            peer.stdin.flush()
        answers = np.load(out / "peer" / "answers.npz")
        stored = Stored(pictures, answers["scores"], answers["maps"])
    with LocalInspector(bundle, threads=1, engine=given.engine) as local:
        mine = evaluate(local, data, model="takt", version="1", quiet=True)
    peers = evaluate(stored, data, model="anomalib", version="1", quiet=True)
    rows = {
        "anomalib": _row(theirs, peers) | facts,
        "takt": _row(ours, mine) | {"engine": given.engine},
        "ratio": float(np.median(np.array(ours) / np.array(theirs))),
    }
    print(json.dumps(rows, indent=1))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def _row(rates: list[float], result: Evaluation) -> dict[str, float]:
    figures = result.real
    assert figures is not None and figures.image is not None and figures.pixel is not None
    return {
        "images_per_s": float(np.median(rates)),
        "image_auroc": figures.image.auroc,
        "pixel_auroc": figures.pixel.auroc,
    }


def _hand_over(checkpoint: Path, out: Path) -> int:
    """Write the weights by anomalib's names; the teacher's channels."""
    model = load_checkpoint((checkpoint,)).model
    names = {"teacher_mean": "mean_std.mean", "teacher_std": "mean_std.std"}
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name == "quantiles":
            state |= {
                f"quantiles.{one}": value.clone()
                for one, value in zip(QUANTILES, tensor.float(), strict=True)
            }
        else:
            theirs = names.get(name) or name.replace("autoencoder.", "ae.", 1)
            state[theirs] = tensor.float().contiguous()
    save_file(state, out)
    assert isinstance(model, EfficientAd)
    return model.config.teacher_channels


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
