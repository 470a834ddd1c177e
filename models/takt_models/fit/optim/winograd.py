"""Convolutions of stride 1 by Winograd's method: the same sums, a fifth of the multiplications.

A fit on CPUs without bfloat16 spends nearly all its time in the 4 × 4 convolutions of the PDNs. In
F(n, r), tiles of n + r - 1 inputs a side give n outputs a side of a filter of r by (n + r - 1)²
products instead of n²r² (Lavin and Gray, arXiv 1509.09308):

    Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A.

For n = 4 and r = 4 that is 49 instead of 256. The transforms are matrix products, and so are the
sums between them: for each of the 49 places one product of [tiles, C_in] by [C_in, C_out]. Float32
rounds differently here, by about 1e-5 of the largest output. That makes no difference to a fit, and
the statistics after it are measured with the plain convolutions.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)

OUTPUTS = 4
"""n: outputs along a side of a tile."""

FEWEST_CHANNELS = 32
"""Channels of an input below which the transforms cost more than the products that they save."""

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5)


@dataclass(frozen=True)
class _Transforms:
    """The three transforms of both axes at once, for tiles flattened row by row.

    Attributes:
        weight: [t², r²], G ⊗ G.
        input: [t², t²], Bᵀ ⊗ Bᵀ.
        output: [n², t²], Aᵀ ⊗ Aᵀ.
    """

    weight: Tensor
    input: Tensor
    output: Tensor


class WinogradConv2d(nn.Conv2d):
    """A convolution of stride 1 without padding that computes by Winograd's method.

    Its parameters have the names that those of `nn.Conv2d` have.

    >>> conv = nn.Conv2d(32, 2, 4)
    >>> images = torch.ones(1, 32, 9, 9)
    >>> torch.allclose(WinogradConv2d.sharing(conv)(images), conv(images), atol=1e-4)
    True
    """

    @classmethod
    def sharing(cls, conv: nn.Conv2d) -> Self:
        """Makes a convolution that shares the parameters of another.

        Raises:
            ValueError: the other has a stride, padding, dilation or groups, or is not square.
        """
        plain = (conv.stride, conv.padding, conv.dilation, conv.groups)
        rows, columns = conv.kernel_size
        if plain != ((1, 1), (0, 0), (1, 1), 1) or rows != columns or conv.bias is None:
            raise ValueError(f"no convolution of stride 1 without padding: {conv}")
        with torch.device("meta"):
            fast = cls(conv.in_channels, conv.out_channels, rows)
        fast.weight, fast.bias = conv.weight, conv.bias
        return fast.train(conv.training)

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,H,W] -> [N,C',H-r+1,W-r+1], channels last."""
        out: Tensor = _WinogradConvolution.apply(x, self.weight)
        return out + self.bias.view(1, -1, 1, 1) if self.bias is not None else out


def winograd(network: M) -> M:
    """Makes the larger convolutions of a network compute by Winograd's method, in place."""
    for name, conv in network.named_children():
        if type(conv) is nn.Conv2d and conv.in_channels >= FEWEST_CHANNELS:
            side = conv.kernel_size[0]
            if side > 1 and conv.stride == (1, 1) and conv.padding == (0, 0):
                setattr(network, name, WinogradConv2d.sharing(conv))
    return network


def plain(network: M) -> M:
    """Undoes `winograd`, in place; the parameters stay the same objects."""
    for name, conv in network.named_children():
        if isinstance(conv, WinogradConv2d):
            with torch.device("meta"):
                direct = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size[0])
            direct.weight, direct.bias = conv.weight, conv.bias
            setattr(network, name, direct.train(conv.training))
    return network


class _WinogradConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        side = weight.shape[-1]
        by = _transforms(side, x.device)
        tiles = _input_tiles(x, side)
        shape = tiles.shape
        values = (by.input @ tiles.flatten(1)).view(len(by.input), -1, x.shape[1])
        weights = _transformed_weight(weight, by)
        products = torch.bmm(values, weights)
        outputs = by.output @ products.flatten(1)
        ctx.save_for_backward(values, weights)
        ctx.input_shape, ctx.tile_shape = x.shape, shape
        ctx.side = side
        height, width = (x.shape[axis] - side + 1 for axis in (2, 3))
        return _join(outputs, shape, height, width)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        values, weights = ctx.saved_tensors
        channels, out_channels = weights.shape[1:]
        side = ctx.side
        by = _transforms(side, gradient.device)
        outputs = _split(gradient, ctx.tile_shape)
        products = (by.output.T @ outputs.flatten(1)).view(len(by.input), -1, out_channels)
        of_input = of_weight = None
        if ctx.needs_input_grad[1]:
            of_weights = torch.bmm(values.transpose(1, 2), products)
            flat = by.weight.T @ of_weights.flatten(1)
            of_weight = flat.view(side, side, channels, out_channels).permute(3, 2, 0, 1)
        if ctx.needs_input_grad[0]:
            of_values = torch.bmm(products, weights.transpose(1, 2))
            tiles = by.input.T @ of_values.flatten(1)
            of_input = _sum_tiles(tiles, ctx.tile_shape, ctx.input_shape, side)
        return of_input, of_weight


def _transformed_weight(weight: Tensor, by: _Transforms) -> Tensor:
    """[C',C,r,r] -> [t²,C,C']."""
    flat = weight.permute(2, 3, 1, 0).reshape(by.weight.shape[1], -1)
    return (by.weight @ flat).view(len(by.weight), weight.shape[1], weight.shape[0])


def _input_tiles(x: Tensor, side: int) -> Tensor:
    """[N,C,H,W] -> overlapping tiles [t²,N,rows,columns,C], with zeros beyond the edge."""
    tile = OUTPUTS + side - 1
    rows, columns = (-(-(x.shape[axis] - side + 1) // OUTPUTS) for axis in (2, 3))
    missing = [
        OUTPUTS * count + side - 1 - x.shape[axis] for count, axis in ((rows, 2), (columns, 3))
    ]
    pixels = x.permute(0, 2, 3, 1)
    if any(missing):
        pixels = nn.functional.pad(pixels, (0, 0, 0, missing[1], 0, missing[0]))
    pixels = pixels.contiguous()
    of_picture, of_row, of_pixel, of_channel = pixels.stride()
    strides = (of_row, of_pixel, of_picture, OUTPUTS * of_row, OUTPUTS * of_pixel, of_channel)
    size = (tile, tile, x.shape[0], rows, columns, x.shape[1])
    return pixels.as_strided(size, strides).reshape(tile * tile, *size[2:])


def _join(outputs: Tensor, tile_shape: torch.Size, height: int, width: int) -> Tensor:
    """Tiles of outputs [n²,N·rows·columns·C'] -> [N,C',height,width], channels last."""
    _, count, rows, columns, _ = tile_shape
    tiles = outputs.view(OUTPUTS, OUTPUTS, count, rows, columns, -1)
    joined = tiles.permute(2, 3, 0, 4, 1, 5).reshape(count, rows * OUTPUTS, columns * OUTPUTS, -1)
    return (
        joined[:, :height, :width].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    )


def _split(gradient: Tensor, tile_shape: torch.Size) -> Tensor:
    """The inverse of `_join`: [N,C',H,W] -> [n²,N,rows,columns,C']."""
    _, count, rows, columns, _ = tile_shape
    pixels = gradient.permute(0, 2, 3, 1)
    below, right = rows * OUTPUTS - pixels.shape[1], columns * OUTPUTS - pixels.shape[2]
    if below or right:
        pixels = nn.functional.pad(pixels, (0, 0, 0, right, 0, below))
    tiles = pixels.reshape(count, rows, OUTPUTS, columns, OUTPUTS, -1).permute(2, 4, 0, 1, 3, 5)
    return tiles.reshape(OUTPUTS * OUTPUTS, count, rows, columns, -1)


def _sum_tiles(tiles: Tensor, tile_shape: torch.Size, input_shape: torch.Size, side: int) -> Tensor:
    """Overlapping tiles [t²,N·rows·columns·C] -> the sum [N,C,H,W] of the tiles in their places."""
    _, count, rows, columns, channels = tile_shape
    tile, over = OUTPUTS + side - 1, side - 1
    parts = tiles.view(tile, tile, count, rows, columns, channels).permute(2, 3, 0, 4, 1, 5)
    total = tiles.new_zeros(count, rows + 1, OUTPUTS, columns + 1, OUTPUTS, channels)
    total[:, :rows, :, :columns] = parts[:, :, :OUTPUTS, :, :OUTPUTS]
    total[:, 1:, :over, :columns] += parts[:, :, OUTPUTS:, :, :OUTPUTS]
    total[:, :rows, :, 1:, :over] += parts[:, :, :OUTPUTS, :, OUTPUTS:]
    total[:, 1:, :over, 1:, :over] += parts[:, :, OUTPUTS:, :, OUTPUTS:]
    whole = total.view(count, (rows + 1) * OUTPUTS, (columns + 1) * OUTPUTS, channels)
    height, width = input_shape[2:]
    return whole[:, :height, :width].permute(0, 3, 1, 2)


def _transforms(side: int, device: torch.device) -> _Transforms:
    weight, of_input, output = (
        torch.from_numpy(np.kron(one, one).astype(np.float32)).to(device) for one in _one_axis(side)
    )
    return _Transforms(weight, of_input, output)


@functools.cache
def _one_axis(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """G [t,r], Bᵀ [t,t] and Aᵀ [n,t] of Toom and Cook: values at points and at infinity."""
    tile = OUTPUTS + side - 1
    points = np.array(_POINTS[: tile - 1])

    def values(count: int) -> NDArray[np.float64]:
        return np.vstack([np.vander(points, count, increasing=True), np.eye(count)[-1:]])

    back = np.linalg.inv(values(tile)).T
    # Scaled to transforms of equal size, which round the least; the product stays the same.
    scale = np.sqrt(np.abs(back).max(1) / np.abs(values(side)).max(1))
    return values(side) * scale[:, None], back / scale[:, None], values(OUTPUTS).T
