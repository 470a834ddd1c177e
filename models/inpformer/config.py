"""The settings that shape an INP-Former."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from models.input_size import SizeLimits, with_sides

MapRecipe = Literal["official", "anomalib"]
Mode = Literal["reconstruction", "zero_shot"]
EncoderKind = Literal["dinov2", "lite0"]
Blocks = tuple[int, ...]

PATCH = 14
"""Side of a patch of DINOv2 in pixels."""

PATCHES: dict[str, int] = {"dinov2": PATCH, "lite0": 16}
"""Side in pixels of the patch of a token, by encoder."""

SIZES = {
    encoder: SizeLimits(multiple=patch, least=patch, usual_side=28 * patch)
    for encoder, patch in PATCHES.items()
}
"""Sizes of the input, by encoder."""

OFFICIAL_MAP_SIDE = 256
SCORED_SHARE = 0.01
"""Share of the map's pixels, the highest ones, whose mean is the score."""

LITE0_BLOCKS: Blocks = (0, 1, 2, 3, 4, 5, 6, 7)
"""Outputs of the encoder lite0."""

VARIANTS = {384: "small", 768: "base", 1024: "large"}


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
    target_blocks: Blocks = (2, 3, 4, 5, 6, 7, 8, 9)
    decoder_depth: int = 8
    encoder_groups: tuple[Blocks, ...] = ((0, 1, 2, 3), (4, 5, 6, 7))
    decoder_groups: tuple[Blocks, ...] = ((0, 1, 2, 3), (4, 5, 6, 7))
    inp_count: int = 6
    mlp_ratio: int = 4
    mlp_bias: bool = True
    width: int = 392
    height: int = 392
    encoder: EncoderKind = "dinov2"
    recipe: MapRecipe = "official"
    mode: Mode = "reconstruction"

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type == "int":
                _check_count(field.name, getattr(self, field.name))
        if not isinstance(self.mlp_bias, bool):
            raise ValueError(f"mlp_bias is {self.mlp_bias!r}; it must be true or false")
        _check_choice("encoder", self.encoder, get_args(EncoderKind))
        _check_choice("recipe", self.recipe, get_args(MapRecipe))
        _check_choice("mode", self.mode, get_args(Mode))
        for name in ("encoder_heads", "decoder_heads"):
            if self.embed_dim % getattr(self, name):
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must divide embed_dim, {self.embed_dim}"
                )
        SIZES[self.encoder].check(self.width, self.height)
        self._check_blocks()

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
        return cls(**{name: _frozen(value) for name, value in plain.items()})

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for a checkpoint's metadata."""
        return asdict(self)

    @property
    def variant(self) -> str:
        """`small`, `base`, `large`, or `dim` with the channels of another size; or `lite0`."""
        if self.encoder == "lite0":
            return "lite0"
        return VARIANTS.get(self.embed_dim, f"dim{self.embed_dim}")

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
    def map_size(self) -> tuple[int, int]:
        """(height, width) of the anomaly map in pixels.

        The official map has 256 × 256 pixels; of another shape it has about as many, so that blur
        and score mean the same.
        """
        if self.recipe == "anomalib":
            return self.input_size
        ratio = math.sqrt(self.height / self.width)
        return round(OFFICIAL_MAP_SIDE * ratio), round(OFFICIAL_MAP_SIDE / ratio)

    @property
    def scored_pixels(self) -> int:
        """Number of the map's highest pixels whose mean is the score."""
        height, width = self.map_size
        return self.scored_among(height * width)

    @staticmethod
    def scored_among(pixels: int) -> int:
        """Number of the highest of so many pixels whose mean is the score; at least 1."""
        return max(1, int(pixels * SCORED_SHARE))

    def _check_blocks(self) -> None:
        blocks = self.target_blocks
        if not _is_indices(blocks) or sorted(set(blocks)) != list(blocks):
            raise ValueError(
                f"target_blocks is {blocks!r}; it must name blocks from 0 in rising order"
            )
        if self.encoder == "lite0" and blocks != LITE0_BLOCKS:
            raise ValueError(
                f"target_blocks is {blocks!r}; of the encoder lite0 they are {LITE0_BLOCKS!r}"
            )
        depths = {"encoder_groups": len(blocks), "decoder_groups": self.decoder_depth}
        for name, depth in depths.items():
            groups = getattr(self, name)
            sound = isinstance(groups, tuple) and groups and all(map(_is_indices, groups))
            if not sound or any(index >= depth for group in groups for index in group):
                raise ValueError(
                    f"{name} is {groups!r}; it must hold groups of indices below {depth}"
                )
        if len(self.encoder_groups) != len(self.decoder_groups):
            raise ValueError(
                f"there are {len(self.encoder_groups)} encoder_groups but "
                f"{len(self.decoder_groups)} decoder_groups; they are compared pair by pair"
            )


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 1")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be {' or '.join(choices)}")


def _is_indices(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) > 0
        and all(type(index) is int and index >= 0 for index in value)
    )


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
