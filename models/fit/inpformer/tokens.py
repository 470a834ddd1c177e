"""What the frozen encoder says of the pictures, kept, since it says the same in every step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.fit.device import Compute
from models.fit.inpformer.views import VIEWS, view
from models.fit.pictures import Load
from models.inpformer import InpFormer
from models.inpformer.lite0 import Lite0Encoder

MEMORY_BYTES = 3 * 2**30
"""What the kept tokens may take; those of further pictures are computed again in each step."""

SPREAD_FLOOR = 0.1
"""The least deviation of a channel, over the median of its block's."""


class FlatTokensError(ValueError):
    """The good pictures vary too little for the encoder's tokens to be told apart."""


class EncodedPictures:
    """The encoder's group means of pictures, or of several views of them.

    Args:
        paths: at least one.
        load: reads one as RGB uint8 [S,S,3].
        model: its encoder is frozen, and its statistics are set before the first use.
        compute: the device; the encoder runs in float32.
        augmented: with all `VIEWS` views of each picture.
        memory_bytes: bound of what is kept.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        load: Load,
        model: InpFormer,
        compute: Compute,
        *,
        augmented: bool = False,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._paths = paths
        self._load = load
        self._model = model
        self._device = compute.device
        self._views = VIEWS if augmented else 1
        self._room = memory_bytes
        self._kept: dict[int, tuple[Tensor, ...]] = {}

    def __len__(self) -> int:
        return len(self._paths) * self._views

    def fill(self) -> None:
        """Encode the views now, as many as may be kept."""
        for index in range(len(self)):
            self._tokens(index)
            if index not in self._kept:
                return

    def image(self, index: int) -> Tensor:
        """A view of a picture, RGB [1,3,S,S] in [0,1]."""
        picture, number = divmod(index, self._views)
        pixels = torch.from_numpy(self._load(self._paths[picture])).to(self._device)
        return view(pixels.permute(2, 0, 1)[None].float() / 255, number)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """The group means [N,T,D] of some views, one tensor a group, float32."""
        return tuple(
            torch.cat(group).to(self._device).float()
            for group in zip(*(self._tokens(index) for index in indices), strict=True)
        )

    def _tokens(self, index: int) -> tuple[Tensor, ...]:
        """Of one view, [1,T,D] each; always as float16, so that it matters not which is kept."""
        if index in self._kept:
            return self._kept[index]
        with torch.no_grad():
            features = self._model.encode(self._model.normalize(self.image(index)))
            groups = tuple(group.half().cpu() for group in self._model.group_encoded(features))
        size = sum(group.nbytes for group in groups)
        if size <= self._room:
            self._room -= size
            self._kept[index] = groups
        return groups


@torch.no_grad()
def set_token_statistics(model: InpFormer, pictures: EncodedPictures) -> None:
    """Set mean and deviation of each channel of the encoder lite0, over all positions.

    A channel that hardly varies on good pictures is divided by a tenth of its block's median
    deviation instead of its own, so that it can speak up, but not alone drown all others.

    Args:
        model: left alone if its encoder has no statistics.
        pictures: of good parts.

    Raises:
        FlatTokensError: most channels of a block never vary.
    """
    encoder = model.encoder
    if not isinstance(encoder, Lite0Encoder):
        return
    sums = torch.zeros_like(encoder.mean, dtype=torch.float64)
    squares = torch.zeros_like(sums)
    for index in range(len(pictures)):
        outputs = encoder.pooled(model.normalize(pictures.image(index)))
        values = torch.cat([output.double() for output in outputs], dim=1)
        sums += values.mean((0, 2, 3))
        squares += values.square().mean((0, 2, 3))
    mean = sums / len(pictures)
    std = (squares / len(pictures) - mean.square()).clamp_min(0).sqrt()
    floors = [
        (SPREAD_FLOOR * block.median()).expand_as(block) for block in std.split(encoder.widths)
    ]
    if not all(bool((floor > 1e-6).all()) for floor in floors):
        raise FlatTokensError(
            "most of what the encoder says never varies on the good pictures: are they empty?"
        )
    encoder.mean.copy_(mean)
    encoder.std.copy_(std.maximum(torch.cat(floors)))
