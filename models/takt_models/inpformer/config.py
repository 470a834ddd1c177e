"""The settings that shape an INP-Former."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from takt_models.dinov2.encoder import EncoderShape
from takt_models.dinov2.maps import official_map_size, scored_among
from takt_models.dinov2.settings import (
    GROUPS,
    PATCH,
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
    frozen,
    variant_of,
)
from takt_models.input_size import SizeLimits, with_sides

Mode = Literal["reconstruction", "zero_shot"]
EncoderKind = Literal["dinov2", "lite0"]

PATCHES: dict[str, int] = {"dinov2": PATCH, "lite0": 16}
"""Side in pixels of the patch of a token, by encoder."""

SIZES = {
    encoder: SizeLimits(multiple=patch, least=patch, usual_side=28 * patch)
    for encoder, patch in PATCHES.items()
}
"""Sizes of the input, by encoder."""

LITE0_BLOCKS: Blocks = (0, 1, 2, 3, 4, 5, 6, 7)
"""Outputs of the encoder lite0."""


@dataclass(frozen=True)
class InpFormerConfig:
    """Settings that shape an INP-Former; its weights fit one such set only.

    Attributes:
        embed_dim: channels of a token.
        encoder_heads: attention heads of the encoder.
        decoder_heads: attention heads of the INP extractor and of the decoder.
        target_blocks: blocks of the encoder whose outputs are used, rising from 0; the encoder
            ends with the last of them.
        decoder_depth: blocks of the decoder.
        encoder_groups: target blocks (counted from 0) that form each group; their mean is
            compared with the mean of the decoder's group.
        decoder_groups: blocks of the decoder that form each group; the last block counts as 0.
        inp_count: intrinsic normal prototypes of a picture.
        mlp_ratio: hidden channels of every MLP, as a multiple of `embed_dim`.
        mlp_bias: whether the MLPs of extractor and decoder have biases (anomalib's have none).
        width: columns of the input in pixels; a multiple of 14, of 16 with lite0.
        height: rows of the input in pixels; a multiple of 14, of 16 with lite0.
        encoder: `dinov2` is the paper's; `lite0` is EfficientNet-Lite0, far lighter, with the
            eight blocks of stages 2 to 4 as its only target blocks.
        recipe: code base whose way of resizing, smoothing and scoring the map is followed.
        mode: `reconstruction` compares encoder and decoder; `zero_shot` compares the picture
            with its own INPs, for parts that the decoder has never seen.

    >>> InpFormerConfig(width=560, height=280).grid
    (20, 40)
    >>> InpFormerConfig(width=281)
    Traceback (most recent call last):
    ValueError: width is 281; it must be a multiple of 14, such as 392
    """

    embed_dim: int = 384
    encoder_heads: int = 6
    decoder_heads: int = 6
    target_blocks: Blocks = TARGET_BLOCKS
    decoder_depth: int = 8
    encoder_groups: tuple[Blocks, ...] = GROUPS
    decoder_groups: tuple[Blocks, ...] = GROUPS
    inp_count: int = 6
    mlp_ratio: int = 4
    mlp_bias: bool = True
    width: int = USUAL_SIDE
    height: int = USUAL_SIDE
    encoder: EncoderKind = "dinov2"
    recipe: MapRecipe = "official"
    mode: Mode = "reconstruction"

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type == "int":
                check_count(field.name, getattr(self, field.name))
        check_flag("mlp_bias", self.mlp_bias)
        check_choice("encoder", self.encoder, get_args(EncoderKind))
        check_choice("recipe", self.recipe, get_args(MapRecipe))
        check_choice("mode", self.mode, get_args(Mode))
        for name in ("encoder_heads", "decoder_heads"):
            check_heads(name, getattr(self, name), self.embed_dim)
        SIZES[self.encoder].check(self.width, self.height)
        check_targets(self.target_blocks)
        if self.encoder == "lite0" and self.target_blocks != LITE0_BLOCKS:
            raise ValueError(
                f"target_blocks is {self.target_blocks!r}; of the encoder lite0 they are "
                f"{LITE0_BLOCKS!r}"
            )
        outputs = len(self.target_blocks)
        check_groups(self.encoder_groups, self.decoder_groups, outputs, self.decoder_depth)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The settings from plain values, as `as_dict` gives them; tuples may be lists, as in JSON.

        An older checkpoint has one `image_size` for both sides.

        Raises:
            ValueError: a name is unknown or a value makes no sense.
        """
        plain = with_sides(plain)
        unknown = sorted(plain.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"an INP-Former has no setting {', '.join(unknown)}: take it out")
        return cls(**{name: frozen(value) for name, value in plain.items()})

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for a checkpoint's metadata."""
        return asdict(self)

    @property
    def variant(self) -> str:
        """`small`, `base`, `large`, or `dim` with the channels of another size; or `lite0`."""
        if self.encoder == "lite0":
            return "lite0"
        return variant_of(self.embed_dim)

    @property
    def patch(self) -> int:
        """Side in pixels of the patch of a token."""
        return PATCHES[self.encoder]

    @property
    def encoder_depth(self) -> int:
        """Blocks of the encoder."""
        return self.target_blocks[-1] + 1

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.height, self.width

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of patches."""
        return self.height // self.patch, self.width // self.patch

    @property
    def tokens(self) -> int:
        """Number of patches."""
        rows, columns = self.grid
        return rows * columns

    @property
    def encoder_shape(self) -> EncoderShape:
        """The settings of a DINOv2 as its encoder."""
        return EncoderShape(
            self.embed_dim, self.encoder_heads, self.target_blocks, self.grid, self.mlp_ratio
        )

    @property
    def map_size(self) -> tuple[int, int]:
        """(height, width) of the anomaly map in pixels."""
        anomalib = self.recipe == "anomalib"
        return self.input_size if anomalib else official_map_size(self.input_size)

    @property
    def scored_pixels(self) -> int:
        """Number of the map's highest pixels whose mean is the score."""
        height, width = self.map_size
        return scored_among(height * width)
