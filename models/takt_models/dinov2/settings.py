"""The terms in which detectors on DINOv2 are described, and their checks."""

from __future__ import annotations

from typing import Any, Literal

from takt_models.input_size import SizeLimits

Blocks = tuple[int, ...]

MapRecipe = Literal["official", "anomalib"]
"""Code base whose way of resizing, smoothing and scoring the map is followed."""

PATCH = 14
"""Side of a patch of DINOv2 in pixels."""

USUAL_SIDE = 28 * PATCH
SIZES = SizeLimits(multiple=PATCH, least=PATCH, usual_side=USUAL_SIDE)

HEAD_CHANNELS = 64
"""Channels of each attention head of every DINOv2."""

TARGET_BLOCKS: Blocks = (2, 3, 4, 5, 6, 7, 8, 9)
"""Blocks whose outputs are used, of an encoder of 12 blocks."""

LARGE_DEPTH = 24
TARGET_BLOCKS_OF_LARGE: Blocks = (4, 6, 8, 10, 12, 14, 16, 18)
"""The same of an encoder of 24 blocks in the official scripts."""

GROUPS: tuple[Blocks, ...] = ((0, 1, 2, 3), (4, 5, 6, 7))
"""Usual groups of eight outputs, counted from 0."""

VARIANTS = {384: "small", 768: "base", 1024: "large", 1280: "huge"}


def variant_of(embed_dim: int) -> str:
    """The name of an encoder's size.

    >>> variant_of(384), variant_of(64)
    ('small', 'dim64')
    """
    return VARIANTS.get(embed_dim, f"dim{embed_dim}")


def check_count(name: str, value: object) -> None:
    """Refuses what is no whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 1")


def check_flag(name: str, value: object) -> None:
    """Refuses what is neither true nor false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; it must be true or false")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuses what is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be {' or '.join(choices)}")


def check_heads(name: str, heads: int, embed_dim: int) -> None:
    """Refuses heads that do not share the channels evenly."""
    if embed_dim % heads:
        raise ValueError(f"{name} is {heads}; it must divide embed_dim, {embed_dim}")


def check_targets(blocks: Blocks) -> None:
    """Refuses target blocks that do not rise from 0 on."""
    if not _is_indices(blocks) or sorted(set(blocks)) != list(blocks):
        raise ValueError(f"target_blocks is {blocks!r}; it must name blocks from 0 in rising order")


def check_groups(
    encoder_groups: tuple[Blocks, ...],
    decoder_groups: tuple[Blocks, ...],
    encoder_outputs: int,
    decoder_outputs: int,
) -> None:
    """Refuses groups that name outputs that are not there, or that do not form pairs."""
    for name, groups, outputs in (
        ("encoder_groups", encoder_groups, encoder_outputs),
        ("decoder_groups", decoder_groups, decoder_outputs),
    ):
        sound = isinstance(groups, tuple) and groups and all(map(_is_indices, groups))
        if not sound or any(index >= outputs for group in groups for index in group):
            raise ValueError(
                f"{name} is {groups!r}; it must hold groups of indices below {outputs}"
            )
    if len(encoder_groups) != len(decoder_groups):
        raise ValueError(
            f"there are {len(encoder_groups)} encoder_groups but {len(decoder_groups)} "
            "decoder_groups; they are compared pair by pair"
        )


def frozen(value: Any) -> Any:
    """A value of JSON with its lists as tuples."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def _is_indices(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) > 0
        and all(type(index) is int and index >= 0 for index in value)
    )
