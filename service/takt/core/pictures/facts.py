"""Facts of a picture: a few cheap numbers by which a fading lamp or a dirty lens is told.

They are computed of what the model sees, by the same code at the calibration and at the line. What
a picture looks like is compared with the mean of the good pictures, the `Look` of a bundle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import FactName, FactVector, Image, ModelInput
from takt.core.pictures.pose import SIDE, PoseMap, correlation, far_shift, laid_upon


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact, and what it means.

    Attributes:
        name: of the fact.
        meaning: of its value, with its unit.
        of_picture: whether it is told from the picture alone, without the model's answer.
    """

    name: FactName
    meaning: str
    of_picture: bool = True


FACTS: tuple[Fact, ...] = (
    Fact("brightness", "mean level, 0 to 255"),
    Fact("contrast", "standard deviation of the levels, 0 to 128"),
    Fact("sharpness", "logarithm of the share of the contrast that is in fine detail"),
    Fact("noise", "logarithm of what differs from pixel to pixel, in levels"),
    Fact("saturation", "mean distance between the highest and the lowest colour, 0 to 255"),
    Fact("warmth", "mean level of red over that of blue"),
    Fact("tint", "mean level of green over that of red and blue"),
    Fact("dark", "per cent of the pixels that are black, of level 4 or less"),
    Fact("bright", "per cent of the pixels that are burnt out, of level 251 or more"),
    Fact("shift_x", "how far the part lies to the right, in per cent of the picture's width"),
    Fact("shift_y", "how far the part lies below, in per cent of the picture's height"),
    Fact("likeness", "correlation with the mean picture of good parts, -1 to 1"),
    Fact("spot", "largest deviation of a 64th of the picture from the mean one, in deviations"),
    Fact("texture", "logarithm of the contrast that 24 of 64 parts of the picture do not exceed"),
    Fact("aspect", "width of the picture as it came, divided by its height"),
    Fact("map_level", "mean of the anomaly map", of_picture=False),
    Fact("score", "score of the picture", of_picture=False),
    Fact("turn", "how far the part is turned against the clock, in degrees"),
    Fact("size", "how much larger the part is than usual, in per cent"),
    Fact("match", "correlation with the mean picture once the part is moved back, -1 to 1"),
)
"""Every fact, in the order of a `FactVector`; a record has vectors from when there were fewer."""

FACT_NAMES: tuple[FactName, ...] = tuple(fact.name for fact in FACTS)

_MAP_LEVEL, _SCORE = FACT_NAMES.index("map_level"), FACT_NAMES.index("score")

BLOCKS = 8
"""Rows and columns of the blocks that a spot is looked for in."""

_MOST_SIDE = 256
"""Longest side of the middle of a picture that noise is measured in."""

_BLACK, _BURNT_OUT = 4, 251
_FAINT = 0.05
"""Least contrast and noise, in levels: below it a picture is as good as even."""

_EVEN = 24
"""Blocks that are more even than the one whose contrast is the texture."""

_LEAST_TEXTURE = 0.25
"""Least contrast within a block, in levels: below it a block is as good as even."""

_LEAST_SPREAD = 1.0
"""Least deviation of a block's brightness, in levels: no camera repeats itself better."""

_NOISE_UNIT = math.sqrt(math.pi / 2) / 6
"""Immerkaer's estimate: the mean of the kernel's amounts, times this, is the noise's deviation."""


@dataclass(frozen=True)
class Look:
    """What good pictures look like on average.

    Attributes:
        mean: grey levels, float32 [SIDE, SIDE].
        spread: deviation of each block's brightness, float32 [BLOCKS, BLOCKS], in levels.
        poses: tells where a part lies; None of a calibration from before there was any, of whose
            pictures the shift alone is told.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    poses: PoseMap | None = None

    @cached_property
    def blocks(self) -> NDArray[np.float32]:
        """Mean brightness of each block, float32 [BLOCKS, BLOCKS]."""
        return _blocks(self.mean)

    @cached_property
    def units(self) -> NDArray[np.float32]:
        """What counts as one deviation of a block, in levels."""
        return np.maximum(self.spread, _LEAST_SPREAD)


@dataclass(frozen=True)
class PictureFacts:
    """What a picture tells before it is compared with others.

    Attributes:
        own: values of the facts that need no other picture, in the order of `FACTS`: the first
            nine, and `aspect`.
        small: grey levels, float32 [SIDE, SIDE].
    """

    own: tuple[float, ...]
    small: NDArray[np.float32]

    @property
    def aspect(self) -> float:
        """Width of the picture as it came, divided by its height."""
        return self.own[-1]

    def beside(self, look: Look) -> FactVector:
        """All facts, in the order of `FACTS`; those of the model's answer are NaN.

        Args:
            look: of good pictures, without this one.
        """
        *first, aspect = self.own
        small = self.small
        place = _place(small, look)
        levels = _blocks(small)
        deviations = np.abs(levels - look.blocks) / look.units
        return np.array(
            (
                *first,
                *place.shift,
                correlation(small, look.mean),
                deviations.max(),
                _texture(small, levels),
                aspect,
                math.nan,
                math.nan,
                *place.others,
            ),
            np.float32,
        )


def with_answer(facts: FactVector, map_level: float, score: float) -> FactVector:
    """The facts of a picture with those of the model's answer, which are put into them.

    Args:
        facts: of the picture.
        map_level: mean of the anomaly map.
        score: of the picture.
    """
    facts[_MAP_LEVEL], facts[_SCORE] = map_level, score
    return facts


def picture_facts(model_input: ModelInput, width: int, height: int) -> PictureFacts:
    """The facts that a picture tells by itself.

    >>> facts = picture_facts(np.full((256, 256, 3), 40, np.uint8), 640, 480)
    >>> round(facts.own[0]), round(facts.own[-1], 2)
    (40, 1.33)

    Args:
        model_input: what the model sees, RGB [H,W,3] of 0 to 255, uint8 or float32.
        width: of the picture as it came, in pixels.
        height: of the picture as it came, in pixels.
    """
    levels = model_input if model_input.dtype == np.uint8 else cv2.convertScaleAbs(model_input)
    grey = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    (brightness, contrast), (_, coarse) = _mean_and_deviation(grey), _mean_and_deviation(small)
    # Every few pixels have the colours of all.
    sparse = cv2.split(cv2.resize(levels, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST))
    red, green, blue = (cv2.mean(channel)[0] for channel in sparse)
    highest = cv2.max(cv2.max(sparse[0], sparse[1]), sparse[2])
    lowest = cv2.min(cv2.min(sparse[0], sparse[1]), sparse[2])
    # The middle of a large picture has the noise of the whole, for less time.
    top, left = (max(0, (length - _MOST_SIDE) // 2) for length in grey.shape)
    middle = grey[top : top + _MOST_SIDE, left : left + _MOST_SIDE]
    # The second derivative along both axes is Immerkaer's kernel.
    fine = cv2.norm(cv2.Sobel(middle, cv2.CV_16S, 2, 2), cv2.NORM_L1) / middle.size
    return PictureFacts(
        own=(
            brightness,
            contrast,
            math.log(max(contrast**2 - coarse**2, _FAINT) / max(contrast**2, 1.0)) / 2,
            math.log(max(fine * _NOISE_UNIT, _FAINT)),
            cv2.mean(highest)[0] - cv2.mean(lowest)[0],
            red - blue,
            green - (red + blue) / 2,
            100 * (1 - _share_above(middle, _BLACK)),
            100 * _share_above(middle, _BURNT_OUT - 1),
            width / height,
        ),
        small=small.astype(np.float32),
    )


def facts_of_large(picture: Image) -> PictureFacts:
    """The facts of a picture that a model sees in tiles: of what is left of it when it is shrunk.

    Args:
        picture: as the model sees it, RGB uint8 [height, width, 3].
    """
    height, width, _ = picture.shape
    shrunk = cv2.resize(picture, (_MOST_SIDE, _MOST_SIDE), interpolation=cv2.INTER_AREA)
    return picture_facts(cast(Image, shrunk), width, height)


def look_of(smalls: Sequence[NDArray[np.float32]]) -> Look:
    """What good pictures look like on average.

    Args:
        smalls: of at least one good picture each, float32 [SIDE, SIDE].
    """
    return _Sums.of(smalls).look()


def look_with(look: Look, count: int, smalls: Sequence[NDArray[np.float32]]) -> Look:
    """What good pictures look like on average once there are further ones.

    Args:
        look: of the former pictures, by whose map poses are told still.
        count: number of these.
        smalls: of the further pictures; at least one.
    """
    return replace(_Sums.of_look(look, count).plus(_Sums.of(smalls)).look(), poses=look.poses)


def looks_without_each(smalls: Sequence[NDArray[np.float32]]) -> Iterator[Look]:
    """For each good picture what the others look like on average: it is compared with others.

    Args:
        smalls: of good pictures; at least two.
    """
    sums = _Sums.of(smalls)
    for small in smalls:
        yield sums.without(small).look()


@dataclass(frozen=True)
class _Sums:
    """Sums over pictures, from which one is easily taken away."""

    count: int
    levels: NDArray[np.float64]
    blocks: NDArray[np.float64]
    squares: NDArray[np.float64]

    @staticmethod
    def of(smalls: Sequence[NDArray[np.float32]]) -> _Sums:
        stack = np.stack(smalls).astype(np.float64)
        blocks = np.stack([_blocks(small) for small in smalls]).astype(np.float64)
        return _Sums(len(smalls), stack.sum(0), blocks.sum(0), (blocks**2).sum(0))

    @staticmethod
    def of_look(look: Look, count: int) -> _Sums:
        blocks, spread = look.blocks.astype(np.float64), look.spread.astype(np.float64)
        levels = count * look.mean.astype(np.float64)
        return _Sums(count, levels, count * blocks, count * (spread**2 + blocks**2))

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(
            self.count + other.count,
            self.levels + other.levels,
            self.blocks + other.blocks,
            self.squares + other.squares,
        )

    def without(self, small: NDArray[np.float32]) -> _Sums:
        blocks = _blocks(small).astype(np.float64)
        return _Sums(
            self.count - 1,
            self.levels - small,
            self.blocks - blocks,
            self.squares - blocks**2,
        )

    def look(self) -> Look:
        mean = self.blocks / self.count
        variance = np.maximum(self.squares / self.count - mean**2, 0.0)
        return Look(
            (self.levels / self.count).astype(np.float32), np.sqrt(variance).astype(np.float32)
        )


class _Place(NamedTuple):
    """Where a part lies: `shift_x` and `shift_y`, and `turn`, `size` and `match`."""

    shift: tuple[float, float]
    others: tuple[float, float, float]


def _place(small: NDArray[np.float32], look: Look) -> _Place:
    if look.poses is None:
        x, y = far_shift(look.mean, small)
        return _Place((100 * x / SIDE, 100 * y / SIDE), (math.nan, math.nan, math.nan))
    laid = laid_upon(look.mean, small, look.poses)
    pose = laid.pose
    shift = 100 * pose.shift_x, 100 * pose.shift_y
    return _Place(shift, (pose.turn, 100 * pose.size, laid.match))


def _mean_and_deviation(grey: cv2.typing.MatLike) -> tuple[float, float]:
    mean, deviation = cv2.meanStdDev(grey)
    return float(mean[0, 0]), float(deviation[0, 0])


def _share_above(grey: cv2.typing.MatLike, level: int) -> float:
    return cv2.countNonZero(cv2.threshold(grey, level, 1, cv2.THRESH_BINARY)[1]) / grey.size


def _blocks(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean brightness of each block, float32 [BLOCKS, BLOCKS]."""
    shrunk = cv2.resize(small, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
    return cast(NDArray[np.float32], shrunk)


def _texture(small: NDArray[np.float32], levels: NDArray[np.float32]) -> float:
    """Logarithm of the contrast within the blocks that are more even than most.

    A hand or a cloth before the lens evens out half of the blocks; a defect, however large, few.
    """
    variances = (_blocks(small * small) - levels * levels).ravel()
    variances.partition(_EVEN)
    return math.log(max(float(variances[_EVEN]), _LEAST_TEXTURE**2)) / 2
