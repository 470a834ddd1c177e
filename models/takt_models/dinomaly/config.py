"""The settings that shape a Dinomaly."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from takt_models.dinov2.encoder import REGISTERS, EncoderShape
from takt_models.dinov2.maps import OFFICIAL_MAP_SIDE, official_map_size
from takt_models.dinov2.settings import (
    GROUPS,
    PATCH,
    SIZES,
    TARGET_BLOCKS,
    USUAL_SIDE,
    Blocks,
    MapRecipe,
    check_choice,
    check_count,
    check_flag,
    check_groups,
    check_heads,
    check_targets,
    variant_of,
)

Prefix = Literal["rebuilt", "removed", "subtracted"]


@dataclass(frozen=True)
class DinomalyConfig:
    """Settings that shape a Dinomaly; its weights fit one such set only.

    Attributes:
        embed_dim: channels of a token.
        heads: attention heads of the encoder and of the decoder.
        registers: register tokens of the encoder; 0 for a DINOv2 without.
        target_blocks: blocks of the encoder whose outputs are used, rising from 0; the encoder
            ends with the last of them.
        decoder_depth: blocks of the decoder.
        encoder_groups: target blocks (counted from 0) that form each group; their mean is
            compared with the mean of the decoder's group.
        decoder_groups: blocks of the decoder that form each group; the last block counts as 0.
        mlp_ratio: hidden channels of every MLP, as a multiple of `embed_dim`.
        mlp_bias: whether the MLPs of bottleneck and decoder have biases (anomalib's have none).
        prefix: what becomes of the class token and the registers: the decoder rebuilds them with
            the patches, or they are removed before, or the class token is subtracted from every
            patch and then both are removed (Dinomaly2's recentring).
        width: columns of the input in pixels; a multiple of 14.
        height: rows of the input in pixels; a multiple of 14.
        recipe: code base whose way of resizing, smoothing and scoring the map is followed.

    >>> DinomalyConfig(width=560, height=280).encoder_shape.grid
    (20, 40)
    >>> DinomalyConfig(width=281)
    Traceback (most recent call last):
    ValueError: width is 281; it must be a multiple of 14, such as 392
    """

    embed_dim: int = 768
    heads: int = 12
    registers: int = REGISTERS
    target_blocks: Blocks = TARGET_BLOCKS
    decoder_depth: int = 8
    encoder_groups: tuple[Blocks, ...] = GROUPS
    decoder_groups: tuple[Blocks, ...] = GROUPS
    mlp_ratio: int = 4
    mlp_bias: bool = True
    prefix: Prefix = "rebuilt"
    width: int = USUAL_SIDE
    height: int = USUAL_SIDE
    recipe: MapRecipe = "official"

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type == "int" and field.name != "registers":
                check_count(field.name, getattr(self, field.name))
        if type(self.registers) is not int or self.registers < 0:
            raise ValueError(f"registers is {self.registers!r}; it must be 0 or a whole number")
        check_flag("mlp_bias", self.mlp_bias)
        check_choice("prefix", self.prefix, get_args(Prefix))
        check_choice("recipe", self.recipe, get_args(MapRecipe))
        check_heads("heads", self.heads, self.embed_dim)
        SIZES.check(self.width, self.height)
        check_targets(self.target_blocks)
        outputs = len(self.target_blocks)
        check_groups(self.encoder_groups, self.decoder_groups, outputs, self.decoder_depth)

    @property
    def variant(self) -> str:
        """`small`, `base`, `large`, or `dim` with the channels of another size."""
        return variant_of(self.embed_dim)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.height, self.width

    @property
    def encoder_shape(self) -> EncoderShape:
        """The settings of the encoder."""
        return EncoderShape(
            self.embed_dim,
            self.heads,
            self.target_blocks,
            (self.height // PATCH, self.width // PATCH),
            self.mlp_ratio,
            self.registers,
        )

    @property
    def map_size(self) -> tuple[int, int]:
        """(height, width) of the anomaly map in pixels."""
        return self.input_size if self.recipe == "anomalib" else self.scored_size

    @property
    def scored_size(self) -> tuple[int, int]:
        """(height, width) of the smoothed map that is scored.

        anomalib's is a square whatever the input's shape.
        """
        if self.recipe == "anomalib":
            return OFFICIAL_MAP_SIDE, OFFICIAL_MAP_SIDE
        return official_map_size(self.input_size)
