"""A model rewritten for engines: the same answers up to rounding, in operations that run fast.

The trained model stays as it is, formula by formula. Graphs are written from the rewritten form,
and compared with the trained model. `benchmarks/graph.py` measures what a rewriting gains.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.detector import Detector
from models.dinomaly.detector import Dinomaly
from models.efficientad.detector import Differences, EfficientAd
from models.inpformer.detector import InpFormer
from models.inpformer.inp import GuidedAttention

LEAST_LENGTH = 1e-12
"""Least length of a vector for `torch.nn.functional.normalize`."""

Transformer = TypeVar("Transformer", bound=Detector)

Rewriting = Callable[[nn.Module], nn.Module | None]
"""From a module to its replacement; None if the module stays, changed in place or not."""


def rewritten(model: Detector) -> Detector:
    """The model as its graph is to compute it; itself if no faster form is known.

    Weights are shared, not copied, and keep their names.
    """
    if isinstance(model, EfficientAd):
        return RewrittenEfficientAd(model)
    if isinstance(model, InpFormer):
        return rewritten_transformer(model, INPFORMER_REWRITINGS)
    if isinstance(model, Dinomaly):
        return rewritten_transformer(model, DINOMALY_REWRITINGS)
    return model


class RewrittenEfficientAd(EfficientAd):
    """EfficientAD, whose teacher is normalised by its convolution and whose map is resized once.

    Args:
        model: as trained.
    """

    teacher_offset: Tensor
    teacher_factor: Tensor

    def __init__(self, model: EfficientAd) -> None:
        with torch.device("meta"):
            super().__init__(model.config)
        for name, child in model.named_children():
            setattr(self, name, child)
        for name, buffer in model.named_buffers(recurse=False):
            setattr(self, name, buffer)
        self.register_buffer("teacher_offset", -model.teacher_mean, persistent=False)
        self.register_buffer("teacher_factor", 1 / model.teacher_std, persistent=False)

    def teach(self, x: Tensor) -> Tensor:
        """Normalised input -> the teacher's features, per channel of mean 0 and deviation 1."""
        features: Tensor = self.teacher(x)
        # A sum and a product with constants, which engines fold into the convolution as they load
        # the graph. Folded here, its weights would no longer be numbers of float16, and the file
        # would grow; folded by operations on weights, NNCF would take them for none.
        return (features + self.teacher_offset) * self.teacher_factor

    def combine(self, raw: Differences, output_size: tuple[int, int] | None = None) -> Tensor:
        """The raw maps -> the anomaly map [N,1,H,W], as `EfficientAd.combine` does.

        Bilinear weights add up to 1, so that scaling and resizing may change places.
        """
        if self.config.recipe == "nelson1425":
            return super().combine(raw, output_size)
        scaled = self.scale(Differences(*(self.pad(m) for m in raw)))
        return self._resize(scaled, output_size or self.map_size)


class FoldedAttention(nn.Module):
    """INP-guided attention with the output projection folded into the values of the few INPs.

    Of H heads and P INPs, head h's keys and values are laid out as H · P tokens of all D channels,
    0 but for those of the head. Then every head's products are one, nothing has to be transposed,
    and the projection of T tokens becomes one of H · P tokens, H · P < T:

        Σ_h (a_h v_h) W_h  =  [a_1 … a_H] [v_1 W_1; …; v_H W_H].

    The queries' own projection cannot go the same way, as the cosines need the queries' lengths.

    Args:
        attention: as trained.
    """

    own: Tensor

    def __init__(self, attention: GuidedAttention) -> None:
        super().__init__()
        self.heads = heads = attention.heads
        self.q = attention.q
        self.kv = attention.kv
        self.proj = attention.proj
        self.learn_scale = attention.learn_scale
        head_of = torch.arange(heads).repeat_interleave(attention.q.out_features // heads)
        own = (torch.arange(heads).view(heads, 1, 1) == head_of).float()
        self.register_buffer("own", own, persistent=False)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """Queries [N,T,D] and the INPs as context [N,P,D] -> [N,T,D]."""
        q: Tensor = self.q(queries)
        k, v = self.kv(context).chunk(2, dim=-1)
        k = F.normalize(self._split(k), dim=-1).flatten(2)
        scaled = self.own * self.learn_scale
        keys, values = (self._of_heads(k, scaled), self._of_heads(v, self.own))
        # Divided by the lengths after the product: it has far fewer numbers than the queries.
        lengths = self._split(q).norm(dim=-1, keepdim=True)
        products = self._split(q @ keys.transpose(1, 2))
        weights = F.relu(products / lengths.clamp_min(LEAST_LENGTH)).flatten(2)
        return weights @ F.linear(values, self.proj.weight) + self.proj.bias

    def _split(self, x: Tensor) -> Tensor:
        split: Tensor = x.unflatten(-1, (self.heads, -1))  # type: ignore[no-untyped-call]
        return split

    @staticmethod
    def _of_heads(x: Tensor, own: Tensor) -> Tensor:
        """INPs' [N,P,D] -> [N,H·P,D], each of one head's channels alone."""
        return (x.unsqueeze(1) * own).flatten(1, 2)


class ErfGelu(nn.Module):
    """The exact GELU in the form that ONNX Runtime fuses, unlike the exporter's own."""

    def forward(self, x: Tensor) -> Tensor:
        """GELU of each element."""
        return x * (torch.erf(x / math.sqrt(2)) + 1) * 0.5


def fold_attention(module: nn.Module) -> nn.Module | None:
    """Guided attention -> `FoldedAttention`."""
    return FoldedAttention(module) if isinstance(module, GuidedAttention) else None


def erf_gelu(module: nn.Module) -> nn.Module | None:
    """Exact GELUs -> `ErfGelu`."""
    exact = isinstance(module, nn.GELU) and module.approximate == "none"
    return ErfGelu() if exact else None


def written_out_attention(module: nn.Module) -> None:
    """Let the encoder's attentions compute products and softmax, as timm writes them out.

    From torch's fused attention the exporter makes a slower graph, which computes the scale from
    shapes at each run.
    """
    if isinstance(getattr(module, "fused_attn", None), bool):
        module.fused_attn = False  # type: ignore[assignment]


INPFORMER_REWRITINGS: tuple[Rewriting, ...] = (fold_attention, erf_gelu, written_out_attention)
DINOMALY_REWRITINGS: tuple[Rewriting, ...] = (erf_gelu, written_out_attention)


def rewritten_transformer(model: Transformer, rewritings: tuple[Rewriting, ...]) -> Transformer:
    """A transformer after one rewriting after the other, each of which replaces some modules."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, shared)
    for rewriting in rewritings:
        for parent in [*twin.modules()]:
            for name, child in parent.named_children():
                if (instead := rewriting(child)) is not None:
                    setattr(parent, name, instead)
    return twin
