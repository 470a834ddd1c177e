from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.dinov2.maps import Groups
from takt_models.fit.device import Compute
from takt_models.fit.inpformer.losses import mining_factors, reconstruction_loss, step_losses
from takt_models.inpformer.detector import InpFormer
from tests.inpformer import THIN

CONFIG = replace(THIN, embed_dim=8, inp_count=3)


def one_group(encoder: Tensor, decoder: Tensor) -> Groups:
    return Groups((encoder,), (decoder,))


def test_the_loss_is_the_cosine_of_all_of_a_picture_s_tokens_as_one_vector() -> None:
    encoder = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    decoder = torch.tensor([[[3.0, 0.0], [0.0, 0.0]]])
    # e = (1, 0, 0, 2), d = (3, 0, 0, 0): the cosine is 3 / (3 √5).
    loss = reconstruction_loss(one_group(encoder, decoder))
    assert loss.item() == pytest.approx(1 - 1 / math.sqrt(5))


def test_groups_and_pictures_are_averaged() -> None:
    same, opposite = torch.ones(1, 2, 2), -torch.ones(1, 2, 2)
    groups = Groups((same, torch.cat([same, same])), (same, torch.cat([same, opposite])))
    assert reconstruction_loss(groups).item() == pytest.approx((0 + (0 + 2) / 2) / 2)


def test_the_factors_are_the_distances_over_their_mean_to_the_third() -> None:
    encoder = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
    decoder = torch.tensor([[[5.0, 0.0], [0.0, 2.0]], [[-1.0, 0.0], [0.0, -3.0]]])
    # The distances are 0, 1, 2, 1, so their mean is 1.
    expected = torch.tensor([[0.0, 1.0], [8.0, 1.0]]).unsqueeze(-1)
    torch.testing.assert_close(mining_factors(encoder, decoder), expected)


def test_what_is_rebuilt_exactly_has_finite_factors() -> None:
    tokens = torch.eye(2)[None]
    assert torch.equal(mining_factors(tokens, tokens), torch.ones(1, 2, 1))


def test_the_gradient_is_that_of_the_plain_cosine_times_the_factors() -> None:
    torch.manual_seed(0)
    encoder, decoder = torch.randn(2, 2, 5, 4).unbind(0)
    plain = decoder.clone().requires_grad_()
    cosine = F.cosine_similarity(encoder.flatten(1), plain.flatten(1))
    (1 - cosine).mean().backward()
    distance = 1 - F.cosine_similarity(encoder, decoder, dim=-1)
    factors = (distance / distance.mean()) ** 3
    mined = decoder.clone().requires_grad_()
    loss = reconstruction_loss(one_group(encoder, mined))
    loss.backward()
    assert plain.grad is not None and mined.grad is not None
    assert loss.item() == pytest.approx(1 - cosine.mean().item())
    torch.testing.assert_close(mined.grad, plain.grad * factors.unsqueeze(-1))


def test_a_power_of_zero_mines_nothing() -> None:
    torch.manual_seed(0)
    encoder, decoder = torch.randn(2, 1, 3, 4).unbind(0)
    assert torch.equal(mining_factors(encoder, decoder, 0.0), torch.ones(1, 3, 1))


@pytest.fixture
def model() -> InpFormer:
    torch.manual_seed(0)
    return InpFormer(CONFIG)


def test_a_step_is_the_detector_s_own_flow(model: InpFormer) -> None:
    encoded = (torch.randn(2, 4, 8), torch.randn(2, 4, 8))
    losses = step_losses(model, encoded, None, Compute.choose("cpu", bf16=False))
    fused = (encoded[0] + encoded[1]) / 2
    inps = model.extract(fused)
    groups = model.group(encoded, model.decode(fused, inps))
    assert losses[0].item() == pytest.approx(reconstruction_loss(groups).item(), rel=1e-5)
    nearest = (1 - F.cosine_similarity(fused.unsqueeze(2), inps.unsqueeze(1), dim=-1)).amin(2)
    assert losses[1].item() == pytest.approx(0.2 * nearest.mean().item(), rel=1e-5)


def test_a_sample_rebuilds_those_tokens_from_the_inps_of_all(model: InpFormer) -> None:
    encoded = (torch.randn(2, 4, 8), torch.randn(2, 4, 8))
    compute, sample = Compute.choose("cpu", bf16=False), torch.tensor([0, 3])
    losses = step_losses(model, encoded, sample, compute)
    fused = (encoded[0] + encoded[1]) / 2
    decoded = [tokens[:, sample] for tokens in model.decode(fused, model.extract(fused))]
    groups = model.group([tokens[:, sample] for tokens in encoded], decoded)
    assert losses[0].item() == pytest.approx(reconstruction_loss(groups).item(), rel=1e-4)
    whole = step_losses(model, encoded, None, compute)
    assert losses[1].item() == pytest.approx(whole[1].item())


def test_every_trained_part_has_a_gradient_and_the_tokens_have_none(model: InpFormer) -> None:
    encoded = (torch.randn(1, 4, 8, requires_grad=True), torch.randn(1, 4, 8))
    losses = step_losses(model, encoded, None, Compute.choose("cpu", bf16=False))
    losses.sum().backward()
    parts: list[nn.Module] = [model.extractor, model.bottleneck, model.decoder]
    for part in parts:
        assert all(weight.grad is not None for weight in part.parameters())
