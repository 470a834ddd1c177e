"""Models with random weights, for `benchmarks.random_bundle`."""

from __future__ import annotations

import torch
from torch import nn

from models.detector import Detector
from models.efficientad.config import EfficientAdConfig
from models.efficientad.detector import EfficientAd
from models.fit.device import round_to_fp16
from models.inpformer.config import InpFormerConfig
from models.inpformer.detector import InpFormer

INPFORMERS = {
    "inpformer-s": InpFormerConfig(),
    "inpformer-b": InpFormerConfig(embed_dim=768, encoder_heads=12, decoder_heads=12),
    # For a look at a benchmark on a CPU.
    "inpformer-micro": InpFormerConfig(
        embed_dim=64, encoder_heads=1, decoder_heads=1, width=56, height=56
    ),
}


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
