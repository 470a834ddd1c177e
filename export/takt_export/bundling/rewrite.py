"""A model rewritten for engines: the same answers up to rounding, in operations that run fast.

The trained model stays as it is, formula by formula. Graphs are written from the rewritten form,
and compared with the trained model. `docs/graph.md` says what it gains.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from takt.core.families.every import declared
from takt_models.detector import Detector

Transformer = TypeVar("Transformer", bound=Detector)

Rewriting = Callable[[nn.Module], nn.Module | None]
"""From a module to its replacement; None if the module stays, changed in place or not."""


def rewritten(model: Detector) -> Detector:
    """The model as its graph is to compute it; itself if no faster form is known.

    Weights are shared, not copied, and keep their names.
    """
    form: Any = declared(model.family, "graph", object)
    found: Detector = model if form is None else form(model)
    return found


class ErfGelu(nn.Module):
    """The exact GELU in the form that ONNX Runtime fuses, unlike the exporter's own."""

    def forward(self, x: Tensor) -> Tensor:
        """GELU of each element."""
        return x * (torch.erf(x / math.sqrt(2)) + 1) * 0.5


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
