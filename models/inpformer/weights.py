"""INP-Former out of the state dicts of the two public code bases.

Both name the same tensors differently. All that shapes the model, but for the few arguments here,
is read off the tensors' shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.inpformer import InpFormer, InpFormerConfig, MapRecipe, Mode
from models.inpformer.positions import anomalib_positions, official_positions

Blocks = tuple[int, ...]

TARGET_BLOCKS: Blocks = (2, 3, 4, 5, 6, 7, 8, 9)
OFFICIAL_TARGET_BLOCKS_OF_LARGE: Blocks = (4, 6, 8, 10, 12, 14, 16, 18)
LARGE_DEPTH = 24
DEFAULT_GROUPS: tuple[Blocks, ...] = ((0, 1, 2, 3), (4, 5, 6, 7))

HEAD_CHANNELS = 64
"""Channels of each attention head of every DINOv2."""

NAMED_KEYS = 4
"""Keys that a message names before it only counts."""


class InpFormerWeightsError(ValueError):
    """A state dict out of which no INP-Former can be made; the message says what is wrong."""


@dataclass(frozen=True)
class _Layout:
    """How a code base names and stores its tensors.

    Attributes:
        owner: whose code it is, for messages.
        recipe: how that code makes its map.
        names: beginnings of our names with those of theirs; the first that fits counts.
        ignored: matches the keys, from their beginning, that the model does without.
        position_prefix: entries of `pos_embed` before those of the patches.
        resize_positions: patch positions [1,S²,D] and a grid -> [1,grid²,D].
    """

    owner: str
    recipe: MapRecipe
    names: tuple[tuple[str, str], ...]
    ignored: re.Pattern[str]
    position_prefix: int
    resize_positions: Callable[[Tensor, int], Tensor]

    def name(self, ours: str) -> str:
        """Their name of a tensor, or the beginning of one."""
        for beginning, theirs in self.names:
            if ours.startswith(beginning):
                return theirs + ours.removeprefix(beginning)
        return ours


@dataclass(frozen=True)
class _Foreign:
    """A state dict under the names of its code base."""

    layout: _Layout
    state: Mapping[str, Tensor]

    def shape(self, ours: str, dimensions: int) -> torch.Size:
        """Of a tensor that shapes the model."""
        key = self.layout.name(ours)
        if key not in self.state:
            raise self.error(f"{key} is missing")
        if self.state[key].ndim != dimensions:
            raise self.error(f"{key} has the shape {_text(self.state[key].shape)}")
        return self.state[key].shape

    def indices(self, ours: str) -> set[int]:
        """The numbers of the blocks that lie under a name."""
        pattern = re.compile(re.escape(self.layout.name(ours)) + r"(\d{1,9})\.")
        return {int(match[1]) for key in self.state if (match := pattern.match(key))}

    def depth(self, ours: str) -> int:
        """How many blocks lie under a name, gaps included; numbers beyond all reason do not count.

        A file that has fewer tensors than a block's number is not to make us build that many.
        """
        return 1 + max((i for i in self.indices(ours) if i < len(self.state)), default=-1)

    def tensor(self, ours: str) -> Tensor:
        """One tensor, float32."""
        return self.state[self.layout.name(ours)].detach().to(torch.float32)

    def error(self, what: str) -> InpFormerWeightsError:
        return InpFormerWeightsError(
            f"no INP-Former as {self.layout.owner} saves it: {what}. It must be the whole model "
            "(encoder, a DINOv2 with 4 registers, included), saved after its training"
        )


def from_official(
    state: Mapping[str, Tensor],
    *,
    target_blocks: Blocks | None = None,
    encoder_groups: tuple[Blocks, ...] = DEFAULT_GROUPS,
    decoder_groups: tuple[Blocks, ...] = DEFAULT_GROUPS,
    image_size: int = 392,
    mode: Mode = "reconstruction",
) -> InpFormer:
    """The model, in eval mode, of a state dict of the official code (luow23/INP-Former).

    Args:
        state: what `model.pth` holds, of any float dtype. Tensors that are float32 already are
            not copied.
        target_blocks: see `InpFormerConfig`, also for what follows. By default those of the
            official scripts: 4, 6, ..., 18 of 24 blocks (large), else 2 to 9.
        encoder_groups: by default those of the scripts.
        decoder_groups: likewise.
        image_size: side in pixels of the input that it was trained on.
        mode: which map it answers with.

    Raises:
        InpFormerWeightsError: tensors are missing, superfluous or of a wrong shape, or do not fit
            the arguments.
    """
    foreign = _Foreign(_OFFICIAL, state)
    if target_blocks is None:
        large = foreign.depth("encoder.blocks.") == LARGE_DEPTH
        target_blocks = OFFICIAL_TARGET_BLOCKS_OF_LARGE if large else TARGET_BLOCKS
    return _build(
        foreign,
        target_blocks=target_blocks,
        encoder_groups=encoder_groups,
        decoder_groups=decoder_groups,
        image_size=image_size,
        mode=mode,
    )


def from_anomalib(
    state: Mapping[str, Tensor],
    *,
    target_blocks: Blocks | None = None,
    encoder_groups: tuple[Blocks, ...] | None = None,
    decoder_groups: tuple[Blocks, ...] | None = None,
    image_size: int = 392,
    mode: Mode = "reconstruction",
) -> InpFormer:
    """The model, in eval mode, of a state dict of anomalib's InpFormer.

    The arguments that may be None are so in anomalib's hyper-parameters unless someone set them.

    Args:
        state: a checkpoint's `state_dict`, keys without the leading `model.`, of any float
            dtype. Tensors that are float32 already are not copied.
        target_blocks: `target_layers`; see `InpFormerConfig`, also for what follows. None means
            2 to 9 whatever the encoder's size: anomalib documents others of the large encoder,
            but does not use them.
        encoder_groups: `fuse_layer_encoder`.
        decoder_groups: `fuse_layer_decoder`.
        image_size: side in pixels of what its pre-processor leaves.
        mode: which map it answers with.

    Raises:
        InpFormerWeightsError: tensors are missing, superfluous or of a wrong shape, or do not fit
            the arguments.
    """
    return _build(
        _Foreign(_ANOMALIB, state),
        target_blocks=target_blocks or TARGET_BLOCKS,
        encoder_groups=encoder_groups or DEFAULT_GROUPS,
        decoder_groups=decoder_groups or DEFAULT_GROUPS,
        image_size=image_size,
        mode=mode,
    )


_OFFICIAL = _Layout(
    owner="the official code",
    recipe="official",
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

_ANOMALIB = _Layout(
    owner="anomalib",
    recipe="anomalib",
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
    """What the shapes say and what the caller told."""
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


def _build(foreign: _Foreign, **told: Any) -> InpFormer:
    config = _config(foreign, told)
    # Without memory until the shapes are known to be those of the file.
    with torch.device("meta"):
        model = InpFormer(config)
    ours = model.state_dict()
    _check(foreign, config, ours)
    weights = {name: foreign.tensor(name) for name in ours}
    positions = weights["encoder.pos_embed"]
    prefix = foreign.layout.position_prefix
    if prefix:
        weights["encoder.cls_token"] = weights["encoder.cls_token"] + positions[:, :prefix]
    weights["encoder.pos_embed"] = foreign.layout.resize_positions(
        positions[:, prefix:], config.grid
    )
    model.load_state_dict(weights, assign=True)
    return model.eval()


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
    """The keys of no use that are not among those of which that is known."""
    unused = foreign.indices("encoder.blocks.") - set(range(config.encoder_depth))
    blocks = foreign.layout.name("encoder.blocks.")
    later = tuple(f"{blocks}{index}." for index in unused)
    return {
        key
        for key in foreign.state.keys() - wanted
        if not key.startswith(later) and not foreign.layout.ignored.match(key)
    }


def _check_positions(foreign: _Foreign, key: str, dim: int) -> None:
    """Refuse a position embedding that is not of a square of patches."""
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
