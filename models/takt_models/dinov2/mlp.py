"""The MLP of bottlenecks and decoders."""

from __future__ import annotations

from torch import Tensor, nn


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them and no residual.

    As a bottleneck it is a noisy one: a fit drops channels at random, which is over when the model
    answers.
    """

    def __init__(self, dim: int, hidden: int, *, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden, bias=bias)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [N,T,D] -> [N,T,D]."""
        out: Tensor = self.fc2(self.act(self.fc1(x)))
        return out
