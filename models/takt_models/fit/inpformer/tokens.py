"""The frozen encoder's tokens of the pictures, kept, since they are the same in every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from takt_models.fit.device import Compute
from takt_models.fit.inpformer.views import VIEWS, view
from takt_models.fit.pictures import Load, as_image
from takt_models.fit.progress import Progress
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.lite0 import Lite0Encoder

MEMORY_BYTES = 3 * 2**30
"""Largest memory of kept tokens; tokens of further pictures are computed anew in each step."""

SPREAD_FLOOR = 0.1
"""Least deviation of a channel, over the median deviation of its block."""


class FlatTokensError(ValueError):
    """Good pictures that vary too little for tokens to differ."""


@dataclass
class EncodedPictures:
    """The encoder's group means of pictures, or of several views of them.

    Attributes:
        paths: at least one file.
        load: reads a picture as RGB uint8 [H,W,3].
        model: detector with a frozen encoder, whose statistics are set before the first use.
        compute: device of the tokens; the encoder runs in float32.
        augmented: whether all `VIEWS` views of each picture are encoded.
        room: bytes that kept tokens may still take.
    """

    paths: Sequence[Path]
    load: Load
    model: InpFormer
    compute: Compute
    augmented: bool = False
    room: int = MEMORY_BYTES
    _kept: dict[int, tuple[Tensor, ...]] = field(default_factory=dict)

    @property
    def _views(self) -> int:
        return VIEWS if self.augmented else 1

    def __len__(self) -> int:
        return len(self.paths) * self._views

    def fill(self, *, quiet: bool = False) -> None:
        """Encodes as many views as can be kept."""
        for index in Progress("encoding", len(self), unit="picture", quiet=quiet):
            self._tokens(index)
            if index not in self._kept:
                return

    def image(self, index: int) -> Tensor:
        """A view of a picture, RGB [1,3,H,W] in [0,1]."""
        picture, number = divmod(index, self._views)
        image = as_image(self.load(self.paths[picture]), self.compute.device)
        return view(image, number)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """The group means [N,T,D] of some views, one tensor a group, float32."""
        return tuple(
            torch.cat(group).to(self.compute.device).float()
            for group in zip(*(self._tokens(index) for index in indices), strict=True)
        )

    def _tokens(self, index: int) -> tuple[Tensor, ...]:
        """The group means [1,T,D] of one view, always float16, whether kept or computed anew."""
        if index in self._kept:
            return self._kept[index]
        groups = encoded_groups(self.model, self.image(index))
        size = sum(group.nbytes for group in groups)
        if size <= self.room:
            self.room -= size
            self._kept[index] = groups
        return groups


@torch.no_grad()
def encoded_groups(model: InpFormer, image: Tensor) -> tuple[Tensor, ...]:
    """The group means [1,T,D] of a picture, RGB [1,3,S,S] in [0,1]: float16 on the CPU."""
    features = model.encode(model.normalize(image))
    return tuple(group.half().cpu() for group in model.group_encoded(features))


@torch.no_grad()
def set_token_statistics(
    model: InpFormer, pictures: EncodedPictures, *, quiet: bool = False
) -> None:
    """Sets mean and deviation of each channel of the encoder lite0, over all positions.

    A channel that hardly varies on good pictures is divided by a tenth of its block's median
    deviation instead of its own; its own would let it drown all other channels.

    Args:
        model: detector; one whose encoder has no statistics stays as it is.
        pictures: pictures of good parts.
        quiet: whether no progress is shown.

    Raises:
        FlatTokensError: most channels of a block never vary.
    """
    encoder = model.encoder
    if not isinstance(encoder, Lite0Encoder):
        return
    sums = torch.zeros_like(encoder.mean, dtype=torch.float64)
    squares = torch.zeros_like(sums)
    for index in Progress("statistics", len(pictures), unit="picture", quiet=quiet):
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
