"""The size of a model's input: what a family takes, and the choice by the pictures' own shape.

Nothing here loads torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

VISIBLE_PIXELS = 8
"""Side in pixels of the input that a defect must cover to be seen: a cell of the features."""

MOST_GROWTH = 4
"""Largest growth of the input over the family's usual one for the sake of a small defect. What is
smaller still is for tiles."""

MOST_ENLARGED = 1.25
"""Most by which a picture is enlarged to the input: a bank that looks at pixels which a resize has
made up finds less."""

MOST_SHRUNK = 0.8
"""Share of a picture's side that its input keeps, up to `LARGEST_SIDE`, as fine defects vanish."""

LARGEST_SIDE = 512
"""Largest side in pixels of an input that nobody asked for; beyond it the time counts more."""

MEASUREMENTS = 4
"""Sizes whose time is measured at most until one is within the latency."""


@dataclass(frozen=True)
class InputSize:
    """Sides in pixels.

    >>> str(InputSize(640, 256))
    '640x256'
    """

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def aspect(self) -> float:
        """Height over width."""
        return self.height / self.width


@dataclass(frozen=True)
class SizeLimits:
    """What a family takes as input.

    Attributes:
        multiple: pixels of which each side is a multiple.
        least: shortest side in pixels; a multiple of `multiple`.
        usual_side: side in pixels of the square that the family takes if nothing else is asked.
        why_least: reason for `least`, after "as"; empty if there is none to tell.
        fit_pixel_bytes: memory that a fit takes for each pixel; 0 where nobody has measured it.
    """

    multiple: int
    least: int
    usual_side: int
    why_least: str = ""
    fit_pixel_bytes: int = 0

    def check(self, width: int, height: int) -> None:
        """Refuses sides that the family does not take.

        Raises:
            ValueError: names the side and what it must be.
        """
        for name, side in (("width", width), ("height", height)):
            if side < self.least:
                reason = f", as {self.why_least}" if self.why_least else ""
                raise ValueError(f"{name} is {side}; it must be at least {self.least}{reason}")
            if side % self.multiple:
                raise ValueError(
                    f"{name} is {side}; it must be a multiple of {self.multiple}, such as "
                    f"{self.usual_side}"
                )

    def shaped(self, ratio: float, pixels: float, *, at_most: bool = False) -> InputSize:
        """The size of about so many pixels whose width over height is nearest to a ratio.

        A side that would be too short becomes the shortest one at the cost of the other.

        Args:
            ratio: width over height.
            pixels: number of pixels.
            at_most: whether more pixels will not do, unless the smallest size has more.

        >>> SizeLimits(multiple=32, least=256, usual_side=256).shaped(2.5, pixels=640 * 256)
        InputSize(width=640, height=256)
        """
        width, height = math.sqrt(pixels * ratio), math.sqrt(pixels / ratio)
        if min(width, height) < self.least:
            longer = max(self.least, pixels / self.least)
            width, height = (longer, self.least) if ratio > 1 else (self.least, longer)
        sizes = [InputSize(*sides) for sides in product(self._near(width), self._near(height))]
        if at_most:
            sizes = [size for size in sizes if size.pixels <= pixels] or sizes[:1]
        return min(sizes, key=lambda size: self._misfit(size, width, height))

    def _near(self, side: float) -> tuple[int, ...]:
        below = max(self.least, int(side) // self.multiple * self.multiple)
        return (below,) if below >= side else (below, below + self.multiple)

    @staticmethod
    def _misfit(size: InputSize, width: float, height: float) -> float:
        ratio = math.log((size.width / size.height) / (width / height))
        pixels = math.log(size.pixels / (width * height))
        return abs(ratio) + abs(pixels) / 2


@dataclass(frozen=True)
class ChosenSize:
    """A size with its reasons, for people."""

    size: InputSize
    reasons: tuple[str, ...]

    def text(self) -> str:
        """One line.

        >>> ChosenSize(InputSize(640, 256), ("pictures of 565x230 keep their ratio",)).text()
        'size 640x256: pictures of 565x230 keep their ratio'
        """
        return f"size {self.size}: {'; '.join(self.reasons)}"


def choose_size(
    limits: SizeLimits,
    picture: InputSize,
    defect_side: float | None = None,
    latency_ms: float | None = None,
    time_ms: Callable[[InputSize], float] | None = None,
) -> ChosenSize:
    """The size that keeps the pictures' ratio and the smallest defect visible in a given time.

    Args:
        limits: what the family takes.
        picture: usual size of the pictures.
        defect_side: side in pixels of the pictures that the smallest defect covers, the root of
            its area; None if no defect is known.
        latency_ms: longest time of a picture in milliseconds; it counts more than all else.
        time_ms: measures the time of a size in milliseconds; needed for `latency_ms`.

    >>> limits = SizeLimits(multiple=32, least=256, usual_side=256)
    >>> choose_size(limits, InputSize(565, 230)).size
    InputSize(width=640, height=256)
    """
    ratio = picture.width / picture.height
    usual = max(limits.usual_side**2, limits.least**2 * max(ratio, 1 / ratio))
    wanted = usual
    if defect_side:
        # Beyond the picture's own pixels nothing more can be seen.
        scale = min(1.0, VISIBLE_PIXELS / defect_side)
        wanted = max(usual, min(scale**2 * picture.pixels, MOST_GROWTH * usual))
    size = limits.shaped(ratio, wanted)
    timed: list[str] = []
    if latency_ms is not None and time_ms is not None:
        size, took_ms = _within(limits, ratio, size, latency_ms, time_ms)
        timed = [f"{took_ms:.3g} ms a picture in torch here, of {latency_ms:g} ms allowed"]
        if took_ms > latency_ms:
            timed = [f"{timed[0]}, and no smaller size is known to be within them"]
    seen = [] if defect_side is None else [_how_visible(size, picture, defect_side)]
    return ChosenSize(size, (_how_shaped(size, picture), *seen, *timed))


def side_for(limits: SizeLimits, picture: InputSize) -> ChosenSize:
    """The square input for pictures of a size: the usual one, unless they are far from it.

    Args:
        limits: what the family takes.
        picture: usual size of the pictures.

    >>> limits = SizeLimits(multiple=16, least=16, usual_side=320)
    >>> [side_for(limits, InputSize(side, side)).size.width for side in (128, 300, 512, 3000)]
    [160, 320, 416, 512]
    """
    native = math.sqrt(picture.pixels)
    least = min(MOST_SHRUNK * native, LARGEST_SIDE)
    wanted = min(max(limits.usual_side, least), MOST_ENLARGED * native)
    side = max(limits.least, round(wanted / limits.multiple) * limits.multiple)
    reason = (
        "the usual one"
        if side == limits.usual_side
        else f"pictures of {picture} are enlarged little"
        if side < limits.usual_side
        else f"pictures of {picture} show more than fits into {limits.usual_side}x"
        f"{limits.usual_side}; --size {limits.usual_side} is faster"
    )
    return ChosenSize(InputSize(side, side), (reason,))


def with_sides(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain settings with `width` and `height`; older ones had one `image_size` for both.

    >>> with_sides({"image_size": 256})
    {'width': 256, 'height': 256}
    """
    settings = dict(plain)
    if "image_size" in settings:
        side = settings.pop("image_size")
        settings |= {"width": side, "height": side}
    return settings


def _within(
    limits: SizeLimits,
    ratio: float,
    size: InputSize,
    latency_ms: float,
    time_ms: Callable[[InputSize], float],
) -> tuple[InputSize, float]:
    """The first of ever smaller sizes that is within the latency, or the last, with its time."""
    took_ms = time_ms(size)
    for _ in range(MEASUREMENTS - 1):
        if took_ms <= latency_ms:
            break
        smaller = limits.shaped(ratio, size.pixels * latency_ms / took_ms, at_most=True)
        if smaller.pixels >= size.pixels:
            break
        size, took_ms = smaller, time_ms(smaller)
    return size, took_ms


def _how_shaped(size: InputSize, picture: InputSize) -> str:
    off = (size.width / size.height) / (picture.width / picture.height)
    if abs(math.log(off)) < 0.1:
        return f"pictures of {picture} keep their ratio"
    change = f"{max(off, 1 / off):.2g} times {'wider' if off > 1 else 'narrower'}"
    return f"pictures of {picture} become {change} than they are"


def _how_visible(size: InputSize, picture: InputSize, defect_side: float) -> str:
    covers = defect_side * math.sqrt(size.pixels / picture.pixels)
    told = f"the smallest defect, {defect_side:.3g} pixels a side, covers {covers:.2g} of the input"
    if covers >= 0.95 * VISIBLE_PIXELS:
        return told
    tiles = "tiles (--tile of `takt export onnx`)"
    return f"{told}, too few to count on: consider {tiles} or a closer picture"
