"""INP-Former out of the state dicts of the two public code bases.

Both name the same tensors differently. The shapes of the tensors tell all settings of the model
but those of `UntoldSettings`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor

from models.inpformer.config import Blocks, InpFormerConfig, MapRecipe, Mode
from models.inpformer.detector import InpFormer
from models.inpformer.positions import Grid, anomalib_positions, official_positions

LARGE_DEPTH = 24
TARGET_BLOCKS_OF_LARGE: Blocks = (4, 6, 8, 10, 12, 14, 16, 18)
"""Target blocks of an encoder of 24 blocks in the official scripts. anomalib documents some, too,
but takes 2 to 9 whatever the encoder's size."""

HEAD_CHANNELS = 64
"""Channels of each attention head of every DINOv2."""

NAMED_KEYS = 4
"""Keys that a message names; it only counts the others."""


class InpFormerWeightsError(ValueError):
    """A state dict that holds no INP-Former; the message says what is wrong."""


@dataclass(frozen=True)
class Layout:
    """How a code base names and stores its tensors.

    Attributes:
        owner: name of the code base, for messages.
        recipe: recipe of its map.
        target_blocks_of_large: target blocks of an encoder of 24 blocks, unless the caller
            names some.
        names: beginnings of our names with those of theirs; the first that fits counts.
        ignored: pattern of the keys that the model does without.
        position_prefix: entries of `pos_embed` before those of the patches.
        resize_positions: function of patch positions [1,S²,D] and a grid -> [1,rows·columns,D].
    """

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
class _Foreign:
    """A state dict under the names of its code base."""

    layout: Layout
    state: Mapping[str, Tensor]

    def shape(self, ours: str, dimensions: int) -> torch.Size:
        """The shape of a tensor, which must have so many dimensions."""
        key = self.layout.name(ours)
        if key not in self.state:
            raise self.error(f"{key} is missing")
        if self.state[key].ndim != dimensions:
            raise self.error(f"{key} has the shape {_text(self.state[key].shape)}")
        return self.state[key].shape

    def indices(self, ours: str) -> set[int]:
        """The numbers of the blocks under a name."""
        pattern = re.compile(re.escape(self.layout.name(ours)) + r"(\d{1,9})\.")
        return {int(match[1]) for key in self.state if (match := pattern.match(key))}

    def depth(self, ours: str) -> int:
        """The number of blocks under a name, gaps included.

        A block's number that exceeds the number of tensors does not count: a damaged file must
        not make us build that many blocks.
        """
        return 1 + max((i for i in self.indices(ours) if i < len(self.state)), default=-1)

    def tensor(self, ours: str) -> Tensor:
        """A tensor in float32."""
        return self.state[self.layout.name(ours)].detach().to(torch.float32)

    def error(self, what: str) -> InpFormerWeightsError:
        return InpFormerWeightsError(
            f"no INP-Former as {self.layout.owner} saves it: {what}. It must be the whole model "
            "(encoder, a DINOv2 with 4 registers, included), saved after its training"
        )


class UntoldSettings(TypedDict, total=False):
    """Settings of `InpFormerConfig` that no tensor tells; None stands for the default."""

    target_blocks: Blocks | None
    encoder_groups: tuple[Blocks, ...] | None
    decoder_groups: tuple[Blocks, ...] | None
    width: int
    height: int
    mode: Mode


def from_state(
    state: Mapping[str, Tensor], layout: Layout, **settings: Unpack[UntoldSettings]
) -> InpFormer:
    """The model, in eval mode, of a code base's state dict.

    Args:
        state: tensors of any float dtype by their names there, for `ANOMALIB` without the leading
            `model.`. Tensors that are float32 already are not copied.
        layout: `OFFICIAL` for the `model.pth` of luow23/INP-Former, `ANOMALIB` for anomalib's.
        settings: settings that the state dict does not tell.

    Raises:
        InpFormerWeightsError: tensors are missing, superfluous or of a wrong shape, or do not fit
            the settings.
    """
    foreign = _Foreign(layout, state)
    told = {name: value for name, value in settings.items() if value is not None}
    if foreign.depth("encoder.blocks.") == LARGE_DEPTH:
        told.setdefault("target_blocks", layout.target_blocks_of_large)
    config = _config(foreign, told)
    # Without memory until the shapes are known to be those of the file.
    with torch.device("meta"):
        model = InpFormer(config)
    ours = model.state_dict()
    _check(foreign, config, ours)
    weights = {name: foreign.tensor(name) for name in ours}
    positions = weights["encoder.pos_embed"]
    prefix = layout.position_prefix
    if prefix:
        weights["encoder.cls_token"] = weights["encoder.cls_token"] + positions[:, :prefix]
    weights["encoder.pos_embed"] = layout.resize_positions(positions[:, prefix:], config.grid)
    model.load_state_dict(weights, assign=True)
    return model.eval()


OFFICIAL = Layout(
    owner="the official code",
    recipe="official",
    target_blocks_of_large=TARGET_BLOCKS_OF_LARGE,
    names=(
        ("extractor.tokens", "prototype_token"),
        ("extractor.", "aggregation.0."),
        ("bottleneck.", "bottleneck.0."),
        ("encoder.registers", "encoder.register_tokens"),
        ("encoder.patch_embed.", "encoder.patch_embed.proj."),
    ),
    ignored=re.compile(r"encoder\.(norm\.|mask_token$)"),
    position_prefix=1,
    resize_positions=official_positions,
)

ANOMALIB = Layout(
    owner="anomalib",
    recipe="anomalib",
    target_blocks_of_large=InpFormerConfig.target_blocks,
    names=(
        ("extractor.tokens", "prototype_token.0"),
        ("extractor.", "aggregation.0."),
        ("bottleneck.", "bottleneck.0."),
        ("encoder.registers", "encoder.feature_extractor.reg_token"),
        ("encoder.patch_embed.", "encoder.feature_extractor.patch_embed.proj."),
        ("encoder.", "encoder.feature_extractor."),
    ),
    ignored=re.compile(
        r"encoder\.feature_extractor\.norm\.|trainable_modules\.|gaussian_blur\.kernel$"
    ),
    position_prefix=0,
    resize_positions=anomalib_positions,
)


def _config(foreign: _Foreign, told: Mapping[str, Any]) -> InpFormerConfig:
    """The settings that the shapes tell, with those that the caller told."""
    inp_count, dim = foreign.shape("extractor.tokens", 2)
    hidden, _ = foreign.shape("bottleneck.fc1.weight", 2)
    heads, _, _ = foreign.shape("decoder.0.attn.learn_scale", 3)
    if dim == 0 or dim % HEAD_CHANNELS:
        raise foreign.error(f"its tokens have {dim} channels, no multiple of {HEAD_CHANNELS}")
    try:
        config = InpFormerConfig(
            embed_dim=dim,
            encoder_heads=dim // HEAD_CHANNELS,
            decoder_heads=heads,
            decoder_depth=foreign.depth("decoder."),
            inp_count=inp_count,
            mlp_ratio=max(1, hidden // dim),
            mlp_bias=foreign.layout.name("extractor.mlp.fc1.bias") in foreign.state,
            recipe=foreign.layout.recipe,
            **told,
        )
    except ValueError as error:
        raise InpFormerWeightsError(str(error)) from error
    blocks = foreign.depth("encoder.blocks.")
    if config.encoder_depth > blocks:
        raise foreign.error(
            f"its encoder has {blocks} blocks, but block {config.encoder_depth - 1} (counted "
            "from 0) is among the target blocks"
        )
    return config


def _check(foreign: _Foreign, config: InpFormerConfig, ours: Mapping[str, Tensor]) -> None:
    wanted = {foreign.layout.name(name): tensor.shape for name, tensor in ours.items()}
    if missing := wanted.keys() - foreign.state.keys():
        raise foreign.error(f"{_names(missing)} {_is_are(missing)} missing")
    if superfluous := _superfluous(foreign, config, wanted.keys()):
        raise foreign.error(f"{_names(superfluous)} {_is_are(superfluous)} none of its tensors")
    positions = foreign.layout.name("encoder.pos_embed")
    _check_positions(foreign, positions, config.embed_dim)
    for key, shape in wanted.items():
        found = foreign.state[key]
        if not found.is_floating_point():
            raise foreign.error(f"{key} holds {found.dtype}, not floating-point numbers")
        if key != positions and found.shape != shape:
            raise foreign.error(
                f"{key} has the shape {_text(found.shape)} instead of {_text(shape)}"
            )


def _superfluous(foreign: _Foreign, config: InpFormerConfig, wanted: Set[str]) -> set[str]:
    """The keys that the model has no use for, but for those that a code base always has."""
    unused = foreign.indices("encoder.blocks.") - set(range(config.encoder_depth))
    blocks = foreign.layout.name("encoder.blocks.")
    later = tuple(f"{blocks}{index}." for index in unused)
    return {
        key
        for key in foreign.state.keys() - wanted
        if not key.startswith(later) and not foreign.layout.ignored.match(key)
    }


def _check_positions(foreign: _Foreign, key: str, dim: int) -> None:
    """Refuses a position embedding that is not of a square of patches."""
    shape = foreign.shape("encoder.pos_embed", 3)
    patches = shape[1] - foreign.layout.position_prefix
    if shape[0] != 1 or shape[2] != dim or patches < 1 or math.isqrt(patches) ** 2 != patches:
        raise foreign.error(
            f"{key} has the shape {_text(shape)}, which is not that of a square of patches with "
            f"{dim} channels"
        )


def _names(keys: Set[str]) -> str:
    named = sorted(keys)[:NAMED_KEYS]
    more = len(keys) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _is_are(keys: Set[str]) -> str:
    return "is" if len(keys) == 1 else "are"


def _text(shape: torch.Size) -> str:
    return str(list(shape))
