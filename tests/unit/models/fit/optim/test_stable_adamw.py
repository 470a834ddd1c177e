from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from takt_models.fit.optim.stable_adamw import StableAdamW

LR, DECAY, EPS, BETAS = 0.1, 0.01, 1e-10, (0.9, 0.999)


def moved(start: Tensor, gradients: list[Tensor]) -> Tensor:
    weight = start.clone().requires_grad_()
    optimizer = StableAdamW([weight], lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY)
    for gradient in gradients:
        weight.grad = gradient
        optimizer.step()
    return weight.detach()


def reference(start: Tensor, gradients: list[Tensor]) -> np.ndarray:
    """The docstring's equations, in float64."""
    theta = start.double().numpy()
    m = v = highest = np.zeros_like(theta)
    for t, gradient in enumerate(gradients, 1):
        g = gradient.double().numpy()
        m = BETAS[0] * m + (1 - BETAS[0]) * g
        v = BETAS[1] * v + (1 - BETAS[1]) * g * g
        highest = np.maximum(highest, v)
        u = np.sqrt(highest) / math.sqrt(1 - BETAS[1] ** t) + EPS
        rms = math.sqrt(np.mean((g / u) ** 2))
        theta = (1 - LR * DECAY) * theta - LR / max(1, rms) * m / (1 - BETAS[0] ** t) / u
    return theta


@pytest.mark.parametrize("last", [0.01, 1.0, 50.0])
def test_it_moves_as_the_equations_say(last: float) -> None:
    torch.manual_seed(0)
    start = torch.randn(4, 3)
    gradients = [torch.randn(4, 3) for _ in range(4)] + [last * torch.randn(4, 3)]
    np.testing.assert_allclose(moved(start, gradients), reference(start, gradients), rtol=1e-5)


def test_where_no_update_is_clipped_it_is_torch_s_adamw_with_amsgrad() -> None:
    torch.manual_seed(0)
    start = torch.randn(5)
    gradients = [torch.full((5,), 0.8**step) for step in range(4)]
    weight = start.clone().requires_grad_()
    theirs = torch.optim.AdamW(
        [weight], lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY, amsgrad=True
    )
    for gradient in gradients:
        weight.grad = gradient
        theirs.step()
    torch.testing.assert_close(moved(start, gradients), weight.detach())


def test_a_sudden_large_gradient_moves_no_further_than_a_usual_one() -> None:
    usual = [torch.ones(3)] * 50
    before = moved(torch.zeros(3), usual)
    sudden = moved(torch.zeros(3), [*usual, torch.full((3,), 1000.0)])
    assert (sudden - before).abs().max() < 1.5 * LR


def test_its_state_comes_back() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(3), [torch.randn(3) for _ in range(4)]
    weight = start.clone().requires_grad_()
    first = StableAdamW([weight], lr=LR, weight_decay=DECAY)
    for gradient in gradients[:2]:
        weight.grad = gradient
        first.step()
    again = weight.detach().clone().requires_grad_()
    second = StableAdamW([again], lr=LR, weight_decay=DECAY)
    second.load_state_dict(first.state_dict())
    for gradient in gradients[2:]:
        again.grad = gradient
        second.step()
    assert torch.equal(again.detach(), moved(start, gradients))


def test_what_has_no_gradient_stays() -> None:
    weight = torch.ones(2, requires_grad=True)
    StableAdamW([weight]).step()
    assert torch.equal(weight.detach(), torch.ones(2))
