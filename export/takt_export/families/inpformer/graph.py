"""The form of an INP-Former of which its graph is written."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from takt_export.bundling.rewrite import (
    Rewriting,
    erf_gelu,
    rewritten_transformer,
    written_out_attention,
)
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.inp import GuidedAttention

LEAST_LENGTH = 1e-12
"""Least length of a vector for `torch.nn.functional.normalize`."""


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


def fold_attention(module: nn.Module) -> nn.Module | None:
    """Guided attention -> `FoldedAttention`."""
    return FoldedAttention(module) if isinstance(module, GuidedAttention) else None


INPFORMER_REWRITINGS: tuple[Rewriting, ...] = (fold_attention, erf_gelu, written_out_attention)


def rewritten_inpformer(model: InpFormer) -> InpFormer:
    """An INP-Former as its graph is to compute it."""
    return rewritten_transformer(model, INPFORMER_REWRITINGS)
