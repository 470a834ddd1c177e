"""A made-up part: pictures of a brushed plate, good or with one defect, drawn from a seed."""

from __future__ import annotations

from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

Defect = Literal["scratch", "dent", "stain", "missing_hole"]
Truth = Literal["good", Defect]
DEFECTS: Final[tuple[Defect, ...]] = get_args(Defect)
TRUTHS: Final[tuple[Truth, ...]] = ("good", *DEFECTS)

WIDTH, HEIGHT = 320, 240
_FINER = 3
"""Drawn so many times larger, then averaged: edges are soft, as a lens has them."""
_MARGIN = 22
_HOLES: Final = ((60, 58), (260, 58), (60, 182), (260, 182))
_HOLE_RADIUS = 15
_BORE: Final = (160, 120)
_BORE_RADIUS = 36
_DARKEST_METAL = 100
"""Of its levels; holes and the table are darker."""
_JPEG_QUALITY = 92

_Plane = NDArray[np.float32]


def jpeg(seed: int, truth: Truth = "good") -> bytes:
    """A picture of the part as a camera would send it.

    >>> jpeg(7) == jpeg(7), jpeg(7) == jpeg(8)
    (True, False)
    """
    done, data = cv2.imencode(".jpg", draw(seed, truth), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done
    return data.tobytes()


def draw(seed: int, truth: Truth = "good") -> NDArray[np.uint8]:
    """A picture of the part, (240, 320, 3) in BGR; one seed and truth always give the same one.

    Each part lies a little elsewhere, in a light a little different, and its metal is its own.
    """
    rng = np.random.default_rng([seed, TRUTHS.index(truth)])
    lost = int(rng.integers(len(_HOLES))) if truth == "missing_hole" else None
    plate = _plate(rng, lost)
    match truth:
        case "scratch":
            _scratch(plate, rng)
        case "dent":
            _dent(plate, rng)
        case "stain":
            _stain(plate, rng)
        case _:
            pass
    return _photographed(plate, rng)


def _plate(rng: np.random.Generator, lost: int | None) -> _Plane:
    """Levels of the part from above, `_FINER` times the picture's size."""
    size = (WIDTH * _FINER, HEIGHT * _FINER)
    table = _smooth(rng, size, 40, 40) * 3 + 38
    metal = 158 + _smooth(rng, size, 160, 1.5) * 7 + _smooth(rng, size, 240, 24) * 3
    body, face = (_rounded(metal.shape, inset) for inset in (0, 2))
    plate = np.where(body, metal + 38 * (body & ~face), table).astype(np.float32)
    holes = [(at, _HOLE_RADIUS) for number, at in enumerate(_HOLES) if number != lost]
    for at, radius in [*holes, (_BORE, _BORE_RADIUS)]:
        _disc_on(plate, at, radius + 3, 205)
        _disc_on(plate, at, radius, 30)
    return plate


def _scratch(plate: _Plane, rng: np.random.Generator) -> None:
    """A bent bright line with a dark one beside it."""
    middle = _on_metal(rng)
    angles = rng.uniform(0, 2 * np.pi) + rng.uniform(-0.8, 0.8) * np.linspace(0, 1, 24)
    steps = rng.uniform(45, 75) / 24 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    line = np.cumsum(steps, axis=0)
    points = np.round((middle + line - line[12]) * _FINER).astype(np.int32)
    scratched = plate.copy()
    for shift, level, width in ((_FINER, 75.0, 4), (0, 235.0, 5)):
        cv2.polylines(scratched, [points + shift], False, level, width)
    np.copyto(plate, scratched, where=plate > _DARKEST_METAL)


def _dent(plate: _Plane, rng: np.random.Generator) -> None:
    """A hollow: dark where it turns from the light, bright where it faces it."""
    height, width = plate.shape
    x, y = _on_metal(rng) * _FINER
    radius = rng.uniform(8, 12) * _FINER
    across, down = np.meshgrid(np.arange(width) - x, np.arange(height) - y)
    distance = (across**2 + down**2) / radius**2
    plate += (62 * (across + down) / radius * np.exp(-1.3 * distance)).astype(np.float32)


def _stain(plate: _Plane, rng: np.random.Generator) -> None:
    """A dark blot without sharp edges."""
    blot = np.zeros_like(plate)
    middle = _on_metal(rng)
    for _ in range(5):
        x, y = map(int, np.round((middle + rng.normal(0, 5, 2)) * _FINER))
        axes = (round(one * _FINER) for one in rng.uniform(5, 10, 2))
        cv2.ellipse(blot, (x, y), tuple(axes), rng.uniform(0, 180), 0, 360, 1.0, -1)
    plate *= 1 - np.float32(0.38) * cv2.GaussianBlur(blot, (0, 0), 2.2 * _FINER)


def _on_metal(rng: np.random.Generator) -> NDArray[np.float64]:
    """A place on the plate, away from its holes and its rim."""
    while True:
        place = rng.uniform((48, 48), (WIDTH - 48, HEIGHT - 48))
        clear = [np.hypot(*(place - at)) > _HOLE_RADIUS + 16 for at in _HOLES]
        if all(clear) and np.hypot(*(place - _BORE)) > _BORE_RADIUS + 16:
            return place


def _photographed(plate: _Plane, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The part as it lay before the camera: moved and turned a little, lit, with noise."""
    middle = (WIDTH * _FINER / 2, HEIGHT * _FINER / 2)
    turn = cv2.getRotationMatrix2D(middle, rng.normal(0, 0.35), 1.0)
    x, y = np.clip(rng.normal(0, 0.8, 2), -2, 2) * _FINER
    turn = turn + np.array([[0, 0, x], [0, 0, y]])
    moved = cv2.warpAffine(plate, turn, plate.shape[::-1], borderMode=cv2.BORDER_REFLECT)
    small = cv2.resize(moved, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    across = np.linspace(-1, 1, WIDTH) * rng.normal(0.03, 0.01)
    down = np.linspace(-1, 1, HEIGHT)[:, None] * rng.normal(-0.05, 0.01)
    lit = small * (rng.normal(1, 0.02) + across + down)
    tinted = lit[..., None] * np.array([1.02, 1.0, 0.97])
    noisy = tinted + rng.normal(0, 2, tinted.shape)
    levels: NDArray[np.uint8] = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    return levels


def _smooth(rng: np.random.Generator, size: tuple[int, int], across: float, down: float) -> _Plane:
    """Noise of deviation 1, smooth over so many of its pixels."""
    # Coarse noise in between which is interpolated: a wide filter would take a second.
    coarse = [
        max(4, round(side / max(1.0, over)))
        for side, over in zip(size, (across, down), strict=True)
    ]
    rough = rng.normal(size=coarse[::-1]).astype(np.float32)
    smooth = cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC)
    even: _Plane = (smooth / smooth.std()).astype(np.float32)
    return even


def _rounded(shape: tuple[int, ...], inset: int) -> NDArray[np.bool_]:
    """The plate's outline with its rounded corners, or what is so far within it."""
    radius, margin = 12 - inset, _MARGIN + 12
    body = np.zeros(shape, np.uint8)
    for x in (margin, WIDTH - margin):
        for y in (margin, HEIGHT - margin):
            cv2.circle(body, (x * _FINER, y * _FINER), radius * _FINER, 1, -1)
    for across, down in ((radius, 0), (0, radius)):
        start = ((margin - across) * _FINER, (margin - down) * _FINER)
        end = ((WIDTH - margin + across) * _FINER, (HEIGHT - margin + down) * _FINER)
        cv2.rectangle(body, start, end, 1, -1)
    return body > 0


def _disc_on(plate: _Plane, at: tuple[int, int], radius: int, level: float) -> None:
    cv2.circle(plate, (at[0] * _FINER, at[1] * _FINER), radius * _FINER, level, -1)
