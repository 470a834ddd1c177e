"""The settings that shape an INP-Former."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

MapRecipe = Literal["official", "anomalib"]
Mode = Literal["reconstruction", "zero_shot"]
EncoderKind = Literal["dinov2", "lite0"]
Blocks = tuple[int, ...]

PATCH = 14
"""Side of a patch of DINOv2 in pixels."""

PATCHES: dict[str, int] = {"dinov2": PATCH, "lite0": 16}
"""Side in pixels of the patch of a token, by encoder."""

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
        image_size: side of the square input in pixels; a multiple of 14, of 16 with lite0.
        encoder: `dinov2` is the paper's; `lite0` is EfficientNet-Lite0, far lighter, with the
            eight blocks of stages 2 to 4 as its only target blocks.
        recipe: code base whose way of resizing, smoothing and scoring the map is followed.
        mode: `reconstruction` compares encoder and decoder; `zero_shot` compares the picture
            with its own INPs, for parts that the decoder has never seen.

    >>> InpFormerConfig(image_size=280).grid
    20
    >>> InpFormerConfig(image_size=281)
    Traceback (most recent call last):
    ValueError: image_size is 281; it must be a multiple of 14, such as 392
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
    image_size: int = 392
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
        if self.image_size % self.patch:
            raise ValueError(
                f"image_size is {self.image_size}; it must be a multiple of {self.patch}, such as "
                f"{28 * self.patch}"
            )
        self._check_blocks()

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The settings from plain values, as `as_dict` gives them; tuples may be lists, as in JSON.

        Raises:
            ValueError: a name is unknown or a value makes no sense.
        """
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
    def grid(self) -> int:
        """Patches along a side."""
        return self.image_size // self.patch

    @property
    def map_side(self) -> int:
        """Side of the anomaly map in pixels."""
        return OFFICIAL_MAP_SIDE if self.recipe == "official" else self.image_size

    @property
    def scored_pixels(self) -> int:
        """Number of the map's highest pixels whose mean is the score."""
        return self.scored_among(self.map_side**2)

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
