"""The decoder: transformer blocks whose linear attention cannot focus.

Attention that spreads over the whole picture cannot hand a defect's token on from the encoder to
the output, so that the decoder rebuilds what is usual.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.dinomaly.config import DinomalyConfig
from takt_models.dinov2.mlp import Mlp

NORM_EPS = 1e-8


class LinearAttention(nn.Module):
    """Attention by φ(q) φ(k)ᵀ with φ(x) = ELU(x) + 1, which is positive, instead of a softmax.

    Of each head and with T tokens,

        y_i = φ(q_i) Σ_j φ(k_j)ᵀ v_j  /  φ(q_i) Σ_j φ(k_j)ᵀ,

    where the sums are the same for every i, so that the cost is linear in T.

    >>> import torch
    >>> attention = LinearAttention(8, heads=2)
    >>> attention(torch.zeros(1, 5, 8)).shape
    torch.Size([1, 5, 8])
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [N,T,D] -> [N,T,D]."""
        parts = self.qkv(x).chunk(3, dim=-1)
        out: Tensor = self.proj(self.attend(*map(self._split, parts)).transpose(1, 2).flatten(2))
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """φ(q) (φ(k)ᵀ v) over φ(q) Σ φ(k) for each head, with q, k, v [N,H,T,d]."""
        q = F.elu(q) + 1
        # Divided by T, which cancels out: sums over all tokens would exceed half precision. The
        # queries are divided by the sum, not the products, for the same reason.
        k = (F.elu(k) + 1) / k.shape[-2]
        weight = (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True)
        return (q / weight) @ (k.transpose(-2, -1) @ v)

    def _split(self, x: Tensor) -> Tensor:
        split: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return split


class DinomalyBlock(nn.Module):
    """One block of the decoder, pre-norm, with a residual around each half."""

    def __init__(self, config: DinomalyConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = LinearAttention(dim, config.heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim, config.mlp_ratio * dim, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [N,T,D] -> [N,T,D]."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out
