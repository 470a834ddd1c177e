"""StableAdamW with AMSGrad (Wortsman et al., arXiv 2304.13013), the optimiser of INP-Former.

StableAdamW is AdamW with clipped updates, as AdaFactor has them: a step is divided by the root mean
square of gradient / √v of the whole tensor where that exceeds 1. Libraries have it without AMSGrad,
which the published schedule uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


class StableAdamW(Optimizer):
    """AdamW with clipped updates, and the largest second moment so far as denominator.

    For gradient g at step t, learning rate η, decay λ, and m, v the moments as in Adam:

        v̂ = max over the steps up to t of v,    u = √v̂ / √(1 - β₂ᵗ) + ε
        θ ← (1 - ηλ) θ - η / max(1, RMS(g / u)) · m / (1 - β₁ᵗ) / u

    Args:
        params: tensors, each with its gradient on one device.
        lr: learning rate η; a caller changes it in `param_groups`.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: λ, not coupled with the gradient.

    >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = StableAdamW([weight], lr=0.5, weight_decay=0.0)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> round(weight.item(), 3)
    0.5
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-10,
        weight_decay: float = 1e-4,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Moves every tensor that has a gradient; a closure is not supported."""
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for weight in group["params"]:
                gradient = weight.grad
                if gradient is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["step"] = 0
                    for name in ("mean", "square", "highest"):
                        state[name] = torch.zeros_like(weight)
                state["step"] += 1
                mean, square, highest = state["mean"], state["square"], state["highest"]
                mean.lerp_(gradient, 1 - beta1)
                square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
                torch.maximum(highest, square, out=highest)
                scale = math.sqrt(1 - beta2 ** state["step"])
                spread = (highest.sqrt() / scale).add_(group["eps"])
                ratio = (gradient / spread).square().mean().sqrt().clamp_min(1)
                rate = group["lr"] / (1 - beta1 ** state["step"]) / ratio
                weight.mul_(1 - group["lr"] * group["decay"])
                weight.sub_(rate * mean / spread)
