"""The settings that shape a PatchCore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from takt_models.input_size import SizeLimits

EncoderKind = Literal["lite0", "dinov2"]
Layers = tuple[int, ...]

VARIANTS = {384: "small", 768: "base", 1024: "large"}
STRIDES: dict[str, int] = {"lite0": 16, "dinov2": 14}
"""Number of pixels of which each side of the input is a multiple, by encoder."""

USUAL_SIDES = {"lite0": 320, "dinov2": 392}
"""Sides in pixels of the input, unless others are given."""

FIT_PIXEL_BYTES = {"lite0": 300}
"""Memory that a fit takes for each pixel of the input, by encoder, as far as it was measured."""

SIZES = {
    encoder: SizeLimits(
        multiple=stride,
        least=stride,
        usual_side=USUAL_SIDES[encoder],
        fit_pixel_bytes=FIT_PIXEL_BYTES.get(encoder, 0),
    )
    for encoder, stride in STRIDES.items()
}
"""Sizes of the input, by encoder."""

LITE0_BLOCKS: Layers = (4, 10)
"""Block 4 of lite0 ends the stage of 40 channels and stride 8, block 10 that of 112 and 16."""

DEEPEST_BLOCK = 10


@dataclass(frozen=True)
class PatchCoreConfig:
    """Settings that shape a PatchCore; its banks fit one such set only.

    Attributes:
        bank_sizes: vectors of each layer's bank, in the order of the layers.
        width: columns of the input in pixels; a multiple of 16, of 14 with dinov2.
        height: rows of the input in pixels, of the same multiple.
        encoder: `lite0` is EfficientNet-Lite0, far lighter than the paper's; `dinov2` is
            AnomalyDINO's choice (Damm et al., arXiv 2405.14529).
        layers: blocks of the encoder, counted from 0, whose features are compared, each with those
            of its own bank.
        embed_dim: channels of a token of dinov2.
        encoder_heads: attention heads of dinov2.
        directions: of the head; 0 without a head.
        locates: whether it tells where a part lies.

    >>> PatchCoreConfig((800, 2200), width=320, height=160).input_size
    (160, 320)
    >>> PatchCoreConfig((800, 2200), width=250)
    Traceback (most recent call last):
    ValueError: width is 250; it must be a multiple of 16, such as 256
    """

    bank_sizes: tuple[int, ...]
    width: int = USUAL_SIDES["lite0"]
    height: int = USUAL_SIDES["lite0"]
    encoder: EncoderKind = "lite0"
    layers: Layers = LITE0_BLOCKS
    embed_dim: int = 384
    encoder_heads: int = 6
    directions: int = 0
    locates: bool = False

    def __post_init__(self) -> None:
        if self.encoder not in get_args(EncoderKind):
            raise ValueError(f"encoder is {self.encoder!r}; it must be lite0 or dinov2")
        for field in fields(self):
            if field.type == "int":
                least = 0 if field.name == "directions" else 1
                _check_count(field.name, getattr(self, field.name), least)
        for name in ("width", "height"):
            value, stride = getattr(self, name), STRIDES[self.encoder]
            if value % stride:
                nearest = max(1, round(value / stride)) * stride
                raise ValueError(
                    f"{name} is {value}; it must be a multiple of {stride}, such as {nearest}"
                )
        if self.embed_dim % self.encoder_heads:
            raise ValueError(
                f"encoder_heads is {self.encoder_heads}; it must divide embed_dim, {self.embed_dim}"
            )
        self._check_layers()
        for size in self.bank_sizes:
            _check_count("bank_sizes", size)
        if len(self.bank_sizes) != len(self.layers):
            raise ValueError(
                f"bank_sizes is {self.bank_sizes!r}; it must have one for each of the "
                f"{len(self.layers)} layers"
            )

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The settings from plain values, as `as_dict` gives them; tuples may be lists.

        Raises:
            ValueError: a name is unknown or a value makes no sense.
        """
        if "scored_power" in plain:
            raise ValueError(
                "its map does not know what is usual at each place, as it is from before Takt 0.3"
            )
        unknown = sorted(plain.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"a PatchCore has no setting {', '.join(unknown)}: take it out")
        layers = tuple(plain.get("layers", LITE0_BLOCKS))
        return cls(**{**plain, "layers": layers, "bank_sizes": tuple(plain["bank_sizes"])})

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for a checkpoint's metadata."""
        return asdict(self)

    @property
    def variant(self) -> str:
        """`lite0`; of dinov2 `small`, `base`, `large`, or `dim` with its channels."""
        if self.encoder == "lite0":
            return "lite0"
        return VARIANTS.get(self.embed_dim, f"dim{self.embed_dim}")

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.height, self.width

    def _check_layers(self) -> None:
        layers = self.layers
        whole = isinstance(layers, tuple) and all(type(layer) is int for layer in layers)
        if not whole or not layers or sorted(set(layers)) != list(layers) or layers[0] < 0:
            raise ValueError(f"layers is {layers!r}; it must name blocks in rising order")
        if self.encoder == "lite0" and layers[-1] > DEEPEST_BLOCK:
            raise ValueError(f"layers is {layers!r}; the blocks of lite0 are 0 to {DEEPEST_BLOCK}")


def dealt(vectors: int, channels: Sequence[int]) -> tuple[int, ...]:
    """A number of vectors, dealt to layers in proportion to their channels, at least 1 to each.

    More channels take more vectors to fill.

    >>> dealt(3000, (40, 112))
    (789, 2211)
    """
    return tuple(max(1, round(vectors * count / sum(channels))) for count in channels)


def _check_count(name: str, value: object, least: int = 1) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least {least}")
