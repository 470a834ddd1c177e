"""Textures foreign to a part: from other pictures, or from the picture itself, shuffled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from takt.core.domain import Depth, Image
from takt_export.pictures import read_picture
from takt_export.synthetic.perlin import perlin_noise

AUGMENTATIONS = 3
"""Number of changes applied to a texture one after another, as in DRAEM."""

TILES = 8
"""Number of tiles down and across when a picture is shuffled."""

NOISE_PX = 512
"""Longer side of the noise before it is enlarged to the picture."""

Change = Callable[[Image, np.random.Generator], Image]


def texture_for(
    picture: Image, others: Sequence[Path], rng: np.random.Generator, depth: Depth = "full"
) -> Image:
    """Texture of the picture's size, in grey if the picture is grey.

    Args:
        picture: RGB uint8 [H,W,3].
        others: pictures that lend a texture; without any, the picture lends its own.
        rng: random generator.
        depth: levels of `others` of 16 bits that become 0 to 255.

    Raises:
        PicturesError: the chosen picture cannot be read.
    """
    rows, columns, _ = picture.shape
    if others:
        chosen = read_picture(others[int(rng.integers(len(others)))], depth=depth)
        texture = cast(Image, cv2.resize(chosen, (columns, rows), interpolation=cv2.INTER_AREA))
    elif rng.random() < 0.5:
        texture = shuffled(picture, rng)
    else:
        texture = procedural(picture, rng)
    for index in rng.choice(len(CHANGES), AUGMENTATIONS, replace=False):
        texture = CHANGES[int(index)](texture, rng)
    # Colour on a grey line would give the defect away.
    return _grey(texture) if _is_grey(picture) else texture


def shuffled(picture: Image, rng: np.random.Generator) -> Image:
    """The picture's tiles in random order, each flipped at random."""
    rows, columns, _ = picture.shape
    down, across = -(-rows // TILES), -(-columns // TILES)
    padded = np.pad(
        picture, ((0, down * TILES - rows), (0, across * TILES - columns), (0, 0)), mode="wrap"
    )
    grid = padded.reshape(TILES, down, TILES, across, 3).swapaxes(1, 2)
    tiles = grid.reshape(TILES * TILES, down, across, 3)
    order = rng.permutation(len(tiles))
    flips = rng.integers(2, size=(len(tiles), 2)) * 2 - 1
    mixed = np.stack(
        [tiles[i][:: int(v), :: int(h)] for i, (v, h) in zip(order, flips, strict=True)]
    )
    whole = mixed.reshape(TILES, TILES, down, across, 3).swapaxes(1, 2)
    return cast(
        Image,
        np.ascontiguousarray(whole.reshape(down * TILES, across * TILES, 3)[:rows, :columns]),
    )


def procedural(picture: Image, rng: np.random.Generator) -> Image:
    """Perlin noise of three octaves between two colours near those of the picture."""
    rows, columns, _ = picture.shape
    scale = min(1.0, NOISE_PX / max(rows, columns))
    shape = max(1, round(scale * rows)), max(1, round(scale * columns))
    cells = int(rng.integers(4, 33))
    octaves = [
        perlin_noise(shape, (cells << octave, cells << octave), rng.uniform(0, np.pi), rng)
        / (1 << octave)
        for octave in range(3)
    ]
    noise = cv2.resize(np.sum(octaves, axis=0), (columns, rows), interpolation=cv2.INTER_LINEAR)
    share = np.clip(0.5 + 0.7 * noise, 0, 1)[..., None]
    places = rng.integers((rows, columns), size=(2, 2))
    first, second = (picture[place[0], place[1]] + rng.uniform(-60, 60, 3) for place in places)
    return _rounded(first * (1 - share) + second * share)


def _gamma(texture: Image, rng: np.random.Generator) -> Image:
    levels = 255 * (np.arange(256) / 255) ** np.exp(rng.uniform(-0.7, 0.7))
    return _mapped(texture, levels)


def _brightness(texture: Image, rng: np.random.Generator) -> Image:
    return _mapped(texture, rng.uniform(0.8, 1.2) * np.arange(256) + rng.uniform(-30, 30))


def _hue(texture: Image, rng: np.random.Generator) -> Image:
    hsv = cv2.cvtColor(texture, cv2.COLOR_RGB2HSV).astype(np.int32)
    hsv[..., 0] = (hsv[..., 0] + rng.integers(180)) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] + rng.integers(-50, 51), 0, 255)
    return cast(Image, cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))


def _solarize(texture: Image, rng: np.random.Generator) -> Image:
    levels = np.arange(256)
    return _mapped(texture, np.where(levels < rng.integers(32, 129), levels, 255 - levels))


def _posterize(texture: Image, rng: np.random.Generator) -> Image:
    bits = int(rng.integers(2, 5))
    return _mapped(texture, np.arange(256) >> (8 - bits) << (8 - bits))


def _invert(texture: Image, rng: np.random.Generator) -> Image:
    return 255 - texture


def _equalize(texture: Image, rng: np.random.Generator) -> Image:
    channels = [cv2.equalizeHist(texture[..., channel]) for channel in range(3)]
    return cast(Image, np.stack(channels, axis=2).astype(np.uint8))


def _rotate(texture: Image, rng: np.random.Generator) -> Image:
    rows, columns, _ = texture.shape
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), rng.uniform(-45, 45), 1.0)
    return cast(
        Image,
        cv2.warpAffine(
            texture, turn, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        ),
    )


CHANGES: tuple[Change, ...] = (
    _gamma, _brightness, _hue, _solarize, _posterize, _invert, _equalize, _rotate,
)  # fmt: skip


def _mapped(texture: Image, levels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Image:
    """Each of the 256 levels replaced."""
    return cast(Image, _rounded(levels)[texture])


def _rounded(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Image:
    return cast(Image, np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _is_grey(picture: Image) -> bool:
    return bool((picture == picture[..., :1]).all())


def _grey(texture: Image) -> Image:
    return cast(Image, cv2.cvtColor(cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
