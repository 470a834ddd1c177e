"""One step of several optimisers along one loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def descend(
    loss: Tensor, optimizers: Sequence[Optimizer], rate: float, clip: float | None = None
) -> None:
    """Takes one step of every optimiser along the gradient of a loss.

    Args:
        loss: scalar.
        optimizers: optimisers of one parameter group each; no parameter belongs to two.
        rate: learning rate of this step.
        clip: largest norm of each optimiser's whole gradient; None leaves it as it is.

    >>> weight = nn.Parameter(torch.tensor([2.0]))
    >>> descend(weight.square().sum(), [torch.optim.SGD([weight])], rate=0.25)
    >>> weight.tolist()
    [1.0]
    """
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    for optimizer in optimizers:
        (group,) = optimizer.param_groups
        if clip is not None:
            nn.utils.clip_grad_norm_(group["params"], clip)
        group["lr"] = rate
        optimizer.step()
