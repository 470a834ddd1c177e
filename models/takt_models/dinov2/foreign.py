"""State dicts of the public code bases: the same tensors under other names.

The shapes of the tensors tell the settings of a model; what is missing, superfluous or of another
shape is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

import torch
from torch import Tensor

from takt_models.dinov2.positions import Grid
from takt_models.dinov2.settings import HEAD_CHANNELS, Blocks, MapRecipe

NAMED_KEYS = 4
"""Keys that a message names; it only counts the others."""


class ForeignWeightsError(ValueError):
    """A state dict that does not hold the model; the message says what is wrong."""


OWN_NAMES = (
    ("encoder.registers", "encoder.register_tokens"),
    ("encoder.patch_embed.", "encoder.patch_embed.proj."),
)
"""Names of the encoder where it is DINOv2's own code; see `Layout.names`."""

TIMM_NAMES = (
    ("encoder.registers", "encoder.feature_extractor.reg_token"),
    ("encoder.patch_embed.", "encoder.feature_extractor.patch_embed.proj."),
    ("encoder.", "encoder.feature_extractor."),
)
"""Names of the encoder where anomalib takes timm's."""


@dataclass(frozen=True)
class Layout:
    """How a code base names and stores a model's tensors.

    Attributes:
        model: name of the model, for messages.
        owner: name of the code base, for messages.
        recipe: recipe of its map.
        target_blocks_of_large: target blocks of an encoder of 24 blocks, unless the caller
            names some.
        names: beginnings of our names with those of theirs; the first that fits counts.
        ignored: pattern of the keys that the model does without.
        position_prefix: entries of `pos_embed` before those of the patches.
        resize_positions: function of patch positions [1,S²,D] and a grid -> [1,rows·columns,D].
    """

    model: str
    owner: str
    recipe: MapRecipe
    target_blocks_of_large: Blocks
    names: tuple[tuple[str, str], ...]
    ignored: re.Pattern[str]
    position_prefix: int
    resize_positions: Callable[[Tensor, Grid], Tensor]

    def name(self, ours: str) -> str:
        """The code base's name of one of our tensors, or the beginning of that name."""
        for beginning, theirs in self.names:
            if ours.startswith(beginning):
                return theirs + ours.removeprefix(beginning)
        return ours


@dataclass(frozen=True)
class ForeignState:
    """A state dict under the names of its code base.

    Attributes:
        layout: names and forms of that code base.
        state: tensors of any float dtype by their names there.
    """

    layout: Layout
    state: Mapping[str, Tensor]

    def has(self, ours: str) -> bool:
        """Whether a tensor is there."""
        return self.layout.name(ours) in self.state

    def shape(self, ours: str, dimensions: int) -> torch.Size:
        """The shape of a tensor, which must have so many dimensions."""
        key = self.layout.name(ours)
        if key not in self.state:
            raise self.error(f"{key} is missing")
        if self.state[key].ndim != dimensions:
            raise self.error(f"{key} has the shape {_text(self.state[key].shape)}")
        return self.state[key].shape

    def heads(self, embed_dim: int, what: str) -> int:
        """Attention heads of an encoder of so many channels.

        Args:
            embed_dim: channels.
            what: the tokens that have them, for messages.
        """
        if embed_dim == 0 or embed_dim % HEAD_CHANNELS:
            raise self.error(f"{what} {embed_dim} channels, no multiple of {HEAD_CHANNELS}")
        return embed_dim // HEAD_CHANNELS

    def depth(self, ours: str) -> int:
        """The number of blocks under a name, gaps included.

        A block's number that exceeds the number of tensors does not count: a damaged file must
        not make us build that many blocks.
        """
        return 1 + max((i for i in self._indices(ours) if i < len(self.state)), default=-1)

    def check_reach(self, target_blocks: Blocks) -> None:
        """Refuses an encoder that ends before the last of its target blocks."""
        blocks = self.depth("encoder.blocks.")
        if target_blocks[-1] >= blocks:
            raise self.error(
                f"its encoder has {blocks} blocks, but block {target_blocks[-1]} (counted from 0) "
                "is among the target blocks"
            )

    def weights(
        self, ours: Mapping[str, Tensor], grid: Grid, encoder_depth: int
    ) -> dict[str, Tensor]:
        """All tensors of a model in float32 by our names; float32 tensors are not copied.

        Args:
            ours: tensors of the model, of which only the shapes count.
            grid: rows and columns of patches, to which the positions are resized.
            encoder_depth: blocks of the encoder; the file's later ones are left out.

        Raises:
            ForeignWeightsError: a tensor is missing, superfluous or of a wrong shape.
        """
        self._check(ours, encoder_depth)
        taken = {
            name: self.state[self.layout.name(name)].detach().to(torch.float32) for name in ours
        }
        positions, prefix = taken["encoder.pos_embed"], self.layout.position_prefix
        if prefix:
            taken["encoder.cls_token"] = taken["encoder.cls_token"] + positions[:, :prefix]
        taken["encoder.pos_embed"] = self.layout.resize_positions(positions[:, prefix:], grid)
        return taken

    def error(self, what: str) -> ForeignWeightsError:
        """An error that says what is wrong, and what the file must be."""
        return ForeignWeightsError(
            f"no {self.layout.model} as {self.layout.owner} saves it: {what}. It must be the whole "
            "model, its DINOv2 included, saved after its training"
        )

    def _indices(self, ours: str) -> set[int]:
        pattern = re.compile(re.escape(self.layout.name(ours)) + r"(\d{1,9})\.")
        return {int(match[1]) for key in self.state if (match := pattern.match(key))}

    def _check(self, ours: Mapping[str, Tensor], encoder_depth: int) -> None:
        wanted = {self.layout.name(name): tensor.shape for name, tensor in ours.items()}
        if missing := wanted.keys() - self.state.keys():
            raise self.error(f"{_names(missing)} {_is_are(missing)} missing")
        if superfluous := self._superfluous(wanted.keys(), encoder_depth):
            raise self.error(f"{_names(superfluous)} {_is_are(superfluous)} none of its tensors")
        positions = self.layout.name("encoder.pos_embed")
        self._check_positions(positions, ours["encoder.pos_embed"].shape[-1])
        for key, shape in wanted.items():
            found = self.state[key]
            if not found.is_floating_point():
                raise self.error(f"{key} holds {found.dtype}, not floating-point numbers")
            if key != positions and found.shape != shape:
                raise self.error(
                    f"{key} has the shape {_text(found.shape)} instead of {_text(shape)}"
                )

    def _superfluous(self, wanted: Set[str], encoder_depth: int) -> set[str]:
        """The keys that the model has no use for, but for those that a code base always has."""
        unused = self._indices("encoder.blocks.") - set(range(encoder_depth))
        blocks = self.layout.name("encoder.blocks.")
        later = tuple(f"{blocks}{index}." for index in unused)
        return {
            key
            for key in self.state.keys() - wanted
            if not key.startswith(later) and not self.layout.ignored.match(key)
        }

    def _check_positions(self, key: str, dim: int) -> None:
        """Refuses a position embedding that is not of a square of patches."""
        shape = self.shape("encoder.pos_embed", 3)
        patches = shape[1] - self.layout.position_prefix
        if shape[0] != 1 or shape[2] != dim or patches < 1 or math.isqrt(patches) ** 2 != patches:
            raise self.error(
                f"{key} has the shape {_text(shape)}, which is not that of a square of patches "
                f"with {dim} channels"
            )


def _names(keys: Set[str]) -> str:
    named = sorted(keys)[:NAMED_KEYS]
    more = len(keys) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _is_are(keys: Set[str]) -> str:
    return "is" if len(keys) == 1 else "are"


def _text(shape: torch.Size) -> str:
    return str(list(shape))
