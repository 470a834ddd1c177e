"""Intrinsic normal prototypes (INPs): how they are extracted, and how they guide the decoder.

The INPs are a few tokens that describe the normal parts of one picture. The decoder builds the
picture's tokens out of them alone, so it cannot rebuild anomalies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.dinov2.mlp import Mlp
from takt_models.inpformer.config import InpFormerConfig

NORM_EPS = 1e-8


class CrossAttention(nn.Module):
    """Attention with Q of some tokens, and K and V (packed in this order) of others."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """Tokens that ask [N,T,D] and tokens that answer [N,S,D] -> [N,T,D]."""
        k, v = self.kv(context).chunk(2, dim=-1)
        seen = self.attend(*(self._split(part) for part in (self.q(queries), k, v)))
        out: Tensor = self.proj(seen.transpose(1, 2).flatten(2))
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """softmax(q kᵀ / √d) v for each head, with q [N,H,T,d] and k, v [N,H,S,d]."""
        return F.scaled_dot_product_attention(q, k, v)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class GuidedAttention(CrossAttention):
    """INP-guided attention: ReLU(s · cos(q, k)) v, with s learned for each head.

    No softmax spreads the weights: a token that resembles no INP becomes 0.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        self.learn_scale = nn.Parameter(torch.ones(heads, 1, 1))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """ReLU(s · cos(q, k)) v for each head, with q [N,H,T,d] and k, v [N,H,S,d]."""
        cosine = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        return F.relu(cosine * self.learn_scale) @ v


class InpExtractor(nn.Module):
    """Learned tokens that attend to a picture's tokens and become its INPs."""

    def __init__(self, config: InpFormerConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.tokens = nn.Parameter(torch.randn(config.inp_count, dim))
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = CrossAttention(dim, config.decoder_heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim, config.mlp_ratio * dim, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Fused tokens [N,T,D] -> INPs [N,P,D]."""
        learned = self.tokens.expand(x.shape[0], -1, -1)
        inps = learned + self.attn(self.norm1(learned), self.norm1(x))
        out: Tensor = inps + self.mlp(self.norm2(inps))
        return out


class DecoderBlock(nn.Module):
    """One block of the INP-guided decoder.

    No residual bypasses the attention, so the output is made of INPs alone.
    """

    def __init__(self, config: InpFormerConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = GuidedAttention(dim, config.decoder_heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim, config.mlp_ratio * dim, bias=config.mlp_bias)

    def forward(self, x: Tensor, inps: Tensor) -> Tensor:
        """Tokens [N,T,D] and INPs [N,P,D] -> tokens [N,T,D]."""
        guided = self.attn(self.norm1(x), self.norm1(inps))
        out: Tensor = guided + self.mlp(self.norm2(guided))
        return out
