"""Muon for convolutions: steps of one length in every direction of a layer's weights.

Muon replaces the momentum M of a layer, as a matrix [C', C·r²], by the nearest matrix whose
singular values are all alike, U Vᵀ for M = U S Vᵀ (Jordan et al., 2024). A few products of a
polynomial find it. Adam's steps follow the few directions in which gradients are large; a short fit
has no time for the others. The length is that of Adam's steps (Liu et al., arXiv 2502.16982), so
that one learning rate serves both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

MOMENTUM = 0.95
ROUNDS = 5
LENGTH = 0.2
"""Root mean square of a step before the learning rate; the one of Adam's steps."""

FEWEST_INPUTS = 32
"""Channels of a convolution's input below which Adam steps it; such a matrix is nearly a vector."""


class Muon(Optimizer):
    """Muon with Nesterov's momentum, on weights [C',C,r,r] that are flattened to [C',C·r²].

    >>> conv = nn.Conv2d(32, 4, 3)
    >>> muon = Muon(suits_muon([conv]), lr=1e-3)
    >>> before = conv.weight.detach().clone()
    >>> conv(torch.ones(1, 32, 5, 5)).sum().backward()
    >>> muon.step()
    >>> bool((conv.weight != before).any())
    True
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Moves every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                gradient = weight.grad.flatten(1)
                state: dict[str, Any] = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(gradient)
                momentum = state["momentum"].mul_(MOMENTUM).add_(gradient)
                turned = orthogonalized(gradient + MOMENTUM * momentum)
                length = LENGTH * max(turned.shape) ** 0.5
                weight.add_(turned.view(weight.shape), alpha=-group["lr"] * length)


def orthogonalized(matrix: Tensor) -> Tensor:
    """The matrix [m,n] with its singular values moved near 1, between about 0.7 and 1.2.

    Each round is X ← a X + (b X Xᵀ + c (X Xᵀ)²) X, which draws singular values from between 0 and 1
    to its fixed points.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if tall else x


def suits_muon(modules: Iterable[nn.Module]) -> list[Tensor]:
    """The weights of the convolutions that have enough input channels, in order."""
    return [
        module.weight
        for module in modules
        if isinstance(module, nn.Conv2d) and module.in_channels >= FEWEST_INPUTS
    ]


def others_than(muon: Muon, parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """The parameters that Muon does not step."""
    served = {id(weight) for group in muon.param_groups for weight in group["params"]}
    return [parameter for parameter in parameters if id(parameter) not in served]
