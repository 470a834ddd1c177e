from __future__ import annotations

import copy

import torch
from torch import nn

from takt_models.fit.optim.muon import LENGTH, Muon, orthogonalized, others_than, suits_muon


def test_the_singular_values_become_alike() -> None:
    torch.manual_seed(0)
    for shape in ((8, 40), (40, 8), (16, 16)):
        matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -1, shape[1]))
        values = torch.linalg.svdvals(orthogonalized(matrix))
        assert values.max() < 1.3 and values.median() > 0.6


def test_the_singular_vectors_stay() -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(4, 6), full_matrices=False)
    matrix = u @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5])) @ v
    turned = u.T @ orthogonalized(matrix) @ v.T
    torch.testing.assert_close(turned, torch.diag(turned.diagonal()), atol=1e-5, rtol=0)
    assert (turned.diagonal() > 0.6).all()


def test_a_step_is_as_long_as_adams() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(8, 4, 4, 4))
    weight.grad = torch.randn_like(weight)
    Muon([weight], lr=0.1).step()
    assert 0.7 * LENGTH * 0.1 < weight.detach().square().mean().sqrt() < 1.3 * LENGTH * 0.1


def test_it_minimises_what_has_directions_of_unlike_weight() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(64, 16) @ torch.diag(torch.logspace(0, -2, 16))
    wanted = inputs @ torch.randn(16, 8)
    weight = nn.Parameter(torch.zeros(8, 16, 1, 1))
    muon = Muon([weight], lr=0.5)
    losses = []
    for step in range(60):
        muon.param_groups[0]["lr"] = 0.5 * (1 - step / 60)
        muon.zero_grad()
        loss = (inputs @ weight.flatten(1).T - wanted).square().mean()
        loss.backward()
        muon.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-2 * losses[0]


def test_a_weight_without_a_gradient_stays() -> None:
    weight = nn.Parameter(torch.ones(2, 2, 1, 1))
    Muon([weight], lr=1.0).step()
    assert torch.equal(weight, torch.ones(2, 2, 1, 1))


def test_a_resumed_optimizer_steps_as_one_that_went_on() -> None:
    def step(muon: Muon, weight: nn.Parameter, seed: int) -> None:
        torch.manual_seed(seed)
        weight.grad = torch.randn_like(weight)
        muon.step()

    whole, resumed = (nn.Parameter(torch.zeros(4, 4, 3, 3)) for _ in range(2))
    first, second = Muon([whole], lr=0.1), Muon([resumed], lr=0.1)
    step(first, whole, 0)
    resumed.data.copy_(whole.data)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    step(first, whole, 1)
    step(second, resumed, 1)
    assert torch.equal(whole, resumed)


def test_convolutions_of_many_inputs_get_muon_and_all_else_does_not() -> None:
    network = nn.Sequential(nn.Conv2d(3, 64, 4), nn.ReLU(), nn.Conv2d(64, 8, 4))
    muon = Muon(suits_muon(network.children()), lr=0.1)
    (group,) = muon.param_groups
    assert [id(weight) for weight in group["params"]] == [id(network[2].weight)]
    others = others_than(muon, network.parameters())
    assert [value.shape for value in others] == [(64, 3, 4, 4), (64,), (8,)]
