"""Fits a detector of anomalib to known features, and asks it; run by an interpreter that has it.

    python anomalib_side.py FOLDER DETECTOR SHARE

`FOLDER` has `learned`, `held` and `asked` pictures' features, a file `NAME-LAYER.npy` of float16
[n,C,h,w] for each layer, the finest first, and gets `answer.json`. `DETECTOR` is `patchcore` or
`padim`; `SHARE` is that of the cells in PatchCore's bank. All is anomalib's own code but for the
encoder, whose answers are known.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import types
from pathlib import Path

import numpy as np
import torch
from anomalib.metrics import F1AdaptiveThreshold
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from torch import nn

CHANNELS_KEPT = 100
"""Channels of PaDiM, drawn at random: as many as anomalib takes of a ResNet18."""

STRIDE = 8
"""Of the finest layer."""


class KnownFeatures(nn.Module):
    """An encoder that gives the features of the picture whose turn it is."""

    def __init__(self, layers):
        super().__init__()
        self.layers, self.turn = layers, 0

    def forward(self, picture):
        """Any picture -> its features [1,C,h,w] by layer."""
        names = enumerate(self.layers)
        one = slice(self.turn, self.turn + 1)
        return {str(name): torch.from_numpy(layer[one].astype(np.float32)) for name, layer in names}


def layers_of(folder, name):
    """The features of some pictures, by layer."""
    return [np.load(path) for path in sorted(folder.glob(f"{name}-*.npy"))]


def built(detector, channels, names):
    """The detector; a ResNet18 without weights gives way to the known features."""
    if detector == "patchcore":
        return PatchcoreModel(names, backbone="resnet18", pre_trained=False)
    model = PadimModel("resnet18", pre_trained=False)
    model.layers, model.n_features_original = names, channels
    model.idx = torch.randperm(channels)[:CHANNELS_KEPT]
    return model


def answers(model, layers):
    """The score of each picture."""
    known = model.feature_extractor = KnownFeatures(layers)
    height, width = layers[0].shape[2:]
    picture = torch.zeros(1, 3, STRIDE * height, STRIDE * width)
    found = []
    for known.turn in range(len(layers[0])):
        told = model(picture)
        if not model.training:
            found.append(float(told.pred_score))
    return found


@torch.no_grad()
def main(folder, detector, share):
    """Learns, answers, and writes down both."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    learned = layers_of(folder, "learned")
    names = [str(name) for name in range(len(learned))]
    model = built(detector, sum(layer.shape[1] for layer in learned), names)
    started_s = time.process_time()
    answers(model.train(), learned)
    model.subsample_embedding(share) if detector == "patchcore" else model.fit()
    learning_s = time.process_time() - started_s
    held = answers(model.eval(), layers_of(folder, "held"))
    asked = layers_of(folder, "asked")
    started_s = time.process_time()
    scores = answers(model, asked)
    ms = 1000 * (time.process_time() - started_s) / len(scores)
    threshold = F1AdaptiveThreshold(fields=["pred_score", "gt_label"])
    threshold.update(
        types.SimpleNamespace(
            pred_score=torch.tensor(held), gt_label=torch.zeros(len(held), dtype=torch.bool)
        )
    )
    kept = [tensor for tensor in model.buffers() if tensor.numel()]
    answer = {
        "held": held,
        "scores": scores,
        "own": float(threshold.compute()),
        "learning_s": learning_s,
        "ms": ms,
        "kept_mb": sum(one.numel() * one.element_size() for one in kept) / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    (folder / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
