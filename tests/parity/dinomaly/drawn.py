"""Dinomalys of a few channels whose weights are drawn from their names, the same on any machine.

Needs numpy and torch alone, so that the programs beside it run in anomalib's environment as well.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POSITIONS = 7
"""Rows and columns of the grid of positions that the encoder was trained on."""

DECODER_DEPTH = 8
PICTURES = 2
STRIDE = 4
"""Of the maps every fourth row and column is kept."""


@dataclass(frozen=True)
class Case:
    """A model of one code base.

    Attributes:
        name: of the case.
        owner: code base.
        dim: channels of a token, 64 for each head.
        depth: blocks of the encoder.
        registers: register tokens.
        height: rows of its pictures.
        width: columns of them.
        hyper: hyper-parameters that anomalib stores.
    """

    name: str
    owner: str
    dim: int = 128
    depth: int = 10
    registers: int = 4
    height: int = 112
    width: int = 112
    hyper: tuple[tuple[str, object], ...] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all tensors by the code base's names."""
        official = self.owner == "official"
        dim, encoder = self.dim, "encoder." if official else "encoder.feature_extractor."
        first = 1 if official or not self.registers else 0
        shapes: dict[str, tuple[int, ...]] = {
            f"{encoder}cls_token": (1, 1, dim),
            f"{encoder}pos_embed": (1, first + POSITIONS**2, dim),
            f"{encoder}patch_embed.proj.weight": (dim, 3, 14, 14),
            f"{encoder}patch_embed.proj.bias": (dim,),
            f"{encoder}norm.weight": (dim,),
            f"{encoder}norm.bias": (dim,),
        }
        if self.registers:
            name = "register_tokens" if official else "reg_token"
            shapes[encoder + name] = (1, self.registers, dim)
        if official:
            shapes["encoder.mask_token"] = (1, dim)
        for index in range(self.depth):
            block = f"{encoder}blocks.{index}."
            shapes |= _block(block, dim, bias=True)
            shapes |= {f"{block}ls1.gamma": (dim,), f"{block}ls2.gamma": (dim,)}
        shapes |= _mlp("bottleneck.0.", dim, bias=official)
        for index in range(DECODER_DEPTH):
            shapes |= _block(f"decoder.{index}.", dim, bias=official)
        return shapes

    def state(self) -> dict[str, Tensor]:
        """The weights, float32."""
        return {name: _drawn(name, shape) for name, shape in self.shapes.items()}

    def pictures(self) -> NDArray[np.uint8]:
        """RGB [N,H,W,3]: noise of which each picture has its own coarseness."""
        random = np.random.RandomState(zlib.crc32(self.name.encode()))
        pictures = np.empty((PICTURES, self.height, self.width, 3), np.uint8)
        for index in range(PICTURES):
            cell = 9 * (index + 1)
            rows, columns = -(-self.height // cell), -(-self.width // cell)
            coarse = random.randint(0, 256, (rows, columns, 3)).astype(np.uint8)
            fine = coarse.repeat(cell, axis=0).repeat(cell, axis=1)
            pictures[index] = fine[: self.height, : self.width]
        return pictures

    def inputs(self) -> Tensor:
        """The pictures as the model takes them: [N,3,H,W], normalised, float32."""
        images = torch.from_numpy(self.pictures()).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        return (images - mean) / std


CASES = (
    Case("anomalib", "anomalib"),
    Case(
        "anomalib_wide_recentred",
        "anomalib",
        height=84,
        width=140,
        hyper=(("use_context_recentering", True),),
    ),
    Case(
        "anomalib_without_registers",
        "anomalib",
        registers=0,
        height=98,
        width=98,
        hyper=(("remove_class_token", True),),
    ),
    Case("anomalib_large", "anomalib", dim=64, depth=24, height=98, width=98),
    Case("official", "official"),
    Case("official_large", "official", dim=64, depth=24, height=98, width=98),
)


def _block(name: str, dim: int, *, bias: bool) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}norm1.weight": (dim,),
        f"{name}norm1.bias": (dim,),
        f"{name}attn.qkv.weight": (3 * dim, dim),
        f"{name}attn.qkv.bias": (3 * dim,),
        f"{name}attn.proj.weight": (dim, dim),
        f"{name}attn.proj.bias": (dim,),
        f"{name}norm2.weight": (dim,),
        f"{name}norm2.bias": (dim,),
        **_mlp(f"{name}mlp.", dim, bias=bias),
    }


def _mlp(name: str, dim: int, *, bias: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}fc1.weight": (4 * dim, dim),
        f"{name}fc2.weight": (dim, 4 * dim),
    }
    if bias:
        shapes |= {f"{name}fc1.bias": (4 * dim,), f"{name}fc2.bias": (dim,)}
    return shapes


def _drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers of which each kind of tensor has a part to play in the answer."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith(("gamma", "norm.weight", "norm1.weight", "norm2.weight")):
        drawn = random.uniform(0.3, 1.3, shape)
    elif name.endswith("bias"):
        drawn = random.uniform(-0.3, 0.3, shape)
    elif name.endswith(("token", "tokens", "pos_embed")):
        drawn = random.standard_normal(shape)
    else:
        drawn = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(drawn.astype(np.float32))
