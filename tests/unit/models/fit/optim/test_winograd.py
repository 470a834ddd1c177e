from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from takt_models.efficientad.detector import PDN
from takt_models.fit.optim.winograd import WinogradConv2d, plain, winograd


def gradients(conv: nn.Conv2d, x: Tensor, upstream: Tensor) -> list[Tensor]:
    out = conv(x)
    assert conv.bias is not None
    return [out, *torch.autograd.grad(out, [x, conv.weight, conv.bias], upstream)]


@pytest.mark.parametrize("side", [2, 3, 4])
@pytest.mark.parametrize("size", [(7, 7), (8, 11), (13, 10), (4, 9)])
def test_it_gives_the_convolution_and_its_gradients(side: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 3, side)
    fast = WinogradConv2d.sharing(conv)
    x = torch.randn(2, 5, *size, requires_grad=True)
    upstream = torch.randn_like(conv(x))
    for of_plain, of_fast in zip(
        gradients(conv, x, upstream), gradients(fast, x, upstream), strict=True
    ):
        largest = float(of_plain.detach().abs().max())
        torch.testing.assert_close(of_fast, of_plain, rtol=0, atol=3e-5 * largest)


def test_pictures_that_need_no_gradient_get_none() -> None:
    fast = WinogradConv2d.sharing(nn.Conv2d(2, 3, 4))
    fast(torch.randn(1, 2, 9, 9)).sum().backward()
    assert fast.weight.grad is not None


def test_frozen_weights_get_no_gradient() -> None:
    conv = nn.Conv2d(2, 3, 4).requires_grad_(False)
    x = torch.randn(1, 2, 9, 9, requires_grad=True)
    WinogradConv2d.sharing(conv)(x).sum().backward()
    assert x.grad is not None and conv.weight.grad is None


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(2, 2, 4, stride=2),
        nn.Conv2d(2, 2, 4, padding=1),
        nn.Conv2d(2, 2, 4, groups=2),
        nn.Conv2d(2, 2, 4, dilation=2),
        nn.Conv2d(2, 2, (3, 4)),
        nn.Conv2d(2, 2, 4, bias=False),
    ],
)
def test_other_convolutions_are_refused(conv: nn.Conv2d) -> None:
    with pytest.raises(ValueError, match="no convolution of stride 1 without padding"):
        WinogradConv2d.sharing(conv)


def test_a_network_keeps_its_parameters_both_ways() -> None:
    network = PDN("small", 8)
    parameters = dict(network.named_parameters())
    fast = winograd(network)
    kinds = {name: type(module) for name, module in fast.named_children()}
    assert kinds["conv1"] is nn.Conv2d
    assert kinds["conv2"] is kinds["conv3"] is kinds["conv4"] is WinogradConv2d
    assert all(fast.get_parameter(name) is value for name, value in parameters.items())
    back = plain(fast)
    assert not any(isinstance(module, WinogradConv2d) for module in back.modules())
    assert all(back.get_parameter(name) is value for name, value in parameters.items())


def test_a_whole_network_answers_alike() -> None:
    torch.manual_seed(0)
    network, x = PDN("small", 8).eval(), torch.rand(1, 3, 50, 61)
    with torch.no_grad():
        expected = network(x)
        torch.testing.assert_close(winograd(network)(x), expected, rtol=0, atol=1e-5)
