"""The forms of a model's graph that `benchmarks.graph` compares."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.bundling.rewrite import (
    erf_gelu,
    rewritten,
    rewritten_transformer,
    written_out_attention,
)
from families.efficientad.graph import RewrittenEfficientAd
from families.inpformer.graph import INPFORMER_REWRITINGS, fold_attention
from models.detector import Detector
from models.efficientad.config import EfficientAdConfig
from models.efficientad.detector import Differences, EfficientAd
from models.fit.device import round_to_fp16
from models.inpformer.config import InpFormerConfig
from models.inpformer.detector import InpFormer

AS_TRAINED = "as trained"
EXPORTED = "exported"


class TeacherOnly(RewrittenEfficientAd):
    """Only the teacher's normalisation is rewritten."""

    combine = EfficientAd.combine


class ResizedOnce(RewrittenEfficientAd):
    """Only the map's resizing is."""

    teach = EfficientAd.teach


class MeansByConvolution(RewrittenEfficientAd):
    """Left out: (s - [t; a])² as a sum, a product and a 1 × 1 convolution that takes the means."""

    def differences(self, x: Tensor) -> Differences:
        """As `EfficientAd.differences`."""
        channels = self.config.teacher_channels
        negative = torch.cat([self.teach(x) * -1.0, self.autoencoder(x) * -1.0], 1)
        apart = self.student(x) + negative
        half = torch.arange(2).repeat_interleave(channels)
        means = (half == torch.arange(2).view(2, 1)).float().view(2, -1, 1, 1) / channels
        st, ae = F.conv2d(apart * apart, means).chunk(2, dim=1)
        return Differences(st=st, ae=ae)


class NotNormalised(RewrittenEfficientAd):
    """A bound: what no way of normalising the pixels can gain more than."""

    def normalize(self, images: Tensor) -> Tensor:
        """Nothing."""
        return images


class NotResized(RewrittenEfficientAd):
    """A bound: the map leaves the engine at its own size, and its score is another."""

    def combine(self, raw: Differences, output_size: tuple[int, int] | None = None) -> Tensor:
        """Scaled alone."""
        return self.scale(raw)


class RowsLinear(nn.Module):
    """Left out: a linear layer on the tokens of all pictures as rows of one matrix, a Gemm."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x: Tensor) -> Tensor:
        """[N,T,D] -> [N,T,D']."""
        rows = F.linear(x.flatten(0, 1), self.weight, self.bias)
        return rows.view(*x.shape[:2], -1)


def rows_linear(module: nn.Module) -> nn.Module | None:
    """Linear layers with a bias -> `RowsLinear`."""
    if isinstance(module, nn.Linear) and module.bias is not None:
        return RowsLinear(module)
    return None


def forms_of(model: Detector) -> dict[str, Detector]:
    """As trained, each rewriting alone, all of them, and what was left out."""
    if isinstance(model, EfficientAd):
        return {
            AS_TRAINED: model,
            "teacher normalised by its convolution": TeacherOnly(model),
            "resized once": ResizedOnce(model),
            EXPORTED: rewritten(model),
            "left out: means by a convolution": MeansByConvolution(model),
            "bound: pixels not normalised": NotNormalised(model),
            "bound: map not resized": NotResized(model),
        }
    assert isinstance(model, InpFormer)
    rows = (*INPFORMER_REWRITINGS, rows_linear)
    return {
        AS_TRAINED: model,
        "projection folded into the INPs": rewritten_transformer(model, (fold_attention,)),
        "GELU as ONNX Runtime knows it": rewritten_transformer(model, (erf_gelu,)),
        "attention written out": rewritten_transformer(model, (written_out_attention,)),
        EXPORTED: rewritten(model),
        f"left out: {EXPORTED}, tokens as rows": rewritten_transformer(model, rows),
        f"left out: {EXPORTED}, LayerScale in the weights": with_scaled_layers(model),
    }


@torch.no_grad()
def with_scaled_layers(model: InpFormer) -> InpFormer:
    """LayerScale's factors multiplied into the weights before them, of a copy."""
    scaled = InpFormer(model.config)
    scaled.load_state_dict(model.state_dict())
    for block in scaled.encoder.blocks:  # type: ignore[union-attr]
        for linear, scale in ((block.attn.proj, "ls1"), (block.mlp.fc2, "ls2")):
            gamma = getattr(block, scale).gamma
            linear.weight.mul_(gamma[:, None])
            linear.bias.mul_(gamma)
            setattr(block, scale, nn.Identity())
    return rewritten_transformer(scaled, INPFORMER_REWRITINGS)


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
