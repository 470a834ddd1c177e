"""A bundle of a detector with random weights: its speed says something, its answers nothing.

python -m benchmarks.random_bundle inpformer-b out/models/inpformer-b/1
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shutil import copyfile

import numpy as np
import torch
from torch import nn

from takt.core.bundles.bundle import Bundle, Calibration, Golden
from takt.core.bundles.manifest import Drift, Manifest, MapSpec, Preprocess, Thresholds
from takt.core.bundles.writing import save_bundle
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.bundling.graph import write_graph
from takt_models.detector import Detector
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd
from takt_models.fit.device import round_to_fp16
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer

INPFORMERS = {
    "inpformer-s": InpFormerConfig(),
    "inpformer-b": InpFormerConfig(embed_dim=768, encoder_heads=12, decoder_heads=12),
    # For a look at a benchmark on a CPU.
    "inpformer-micro": InpFormerConfig(
        embed_dim=64, encoder_heads=1, decoder_heads=1, width=56, height=56
    ),
}
MODELS = (*INPFORMERS, "efficientad-s", "efficientad-m")
GOLDEN = 2
TOLERANCE = 0.05
"""Of the golden answers: random weights spread a lower precision's error further than trained."""


def make_bundle(name: str, path: Path) -> Bundle:
    """Write the bundle of a model of `MODELS` to `<repository>/<name>/<version>`."""
    model = a_model(name)
    height, width = model.input_size
    rows, columns = model.map_size
    noise = np.random.default_rng(0)
    images = noise.integers(0, 256, (GOLDEN, height, width, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        write_graph(model, graph)
        with closing(OnnxRuntimeEngine.open(graph)) as engine:
            answers = engine.infer(images)
        # Nothing is above them: regions would cost time that no good part costs.
        limit = 2 * float(answers.anomaly_map.max())
        none = np.zeros(0, np.float32)
        return save_bundle(
            path,
            Golden(images, answers.anomaly_map, answers.score),
            Calibration(answers.score, answers.score, none, none),
            partial(copyfile, graph),
            lambda files: Manifest(
                name=path.parent.name,
                version=path.name,
                family=model.family,
                variant=model.variant,
                framework="random weights",
                preprocess=Preprocess(width=width, height=height, resize="area"),
                map=MapSpec(width=columns, height=rows, low=0),
                thresholds=Thresholds(
                    image=limit, pixel=limit, method="none", alpha=None, good_count=GOLDEN
                ),
                reference="onnx",
                drift=Drift(pictures=GOLDEN, score=0, anomaly_map=0),
                tolerance=TOLERANCE,
                made_with={},
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                files=files,
            ),
        )


def a_model(name: str) -> Detector:
    """Random weights, those of EfficientAD numbers of float16 as a fit leaves them."""
    torch.manual_seed(0)
    if name in INPFORMERS:
        inpformer = InpFormer(INPFORMERS[name])
        for of, parameter in inpformer.named_parameters():
            if parameter.ndim == 1:
                low, high = (-0.1, 0.1) if of.endswith("bias") else (0.3, 1.3)
                nn.init.uniform_(parameter, low, high)
        return inpformer.eval()
    model = EfficientAd(EfficientAdConfig(size="small" if name.endswith("s") else "medium"))
    round_to_fp16(model)
    model.teacher_mean.normal_(0, 0.01)
    model.teacher_std.uniform_(0.05, 0.1)
    model.quantiles.copy_(torch.tensor([0.05, 0.1, 0.03, 0.1]))
    return model.eval()


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("out", type=Path, help="<repository>/<name>/<version>; must not exist.")
    given = parser.parse_args()
    print(make_bundle(given.model, given.out).path)


if __name__ == "__main__":
    main()
