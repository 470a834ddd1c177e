"""A PatchCore whose random weights give features that differ from cell to cell."""

from __future__ import annotations

import torch
from torch import nn

from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore


def a_patchcore(config: PatchCoreConfig, seed: int = 0) -> PatchCore:
    """A model in eval mode; torch's own initial weights would let all signals fade."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = PatchCore(config)
        for module in model.encoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    return model.eval()
