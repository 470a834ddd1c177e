"""Pictures of made-up surfaces, for a teacher that should know more than photographs.

Photographs of things show few plain surfaces. This module draws surfaces such as brushed metal,
fabric and grain: noise of any slope, direction and scale, weaves, cells, and marks upon them, in
grey or in two colours. The seed of a picture is all that is kept of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]

SIDE = 320


def texture(seed: int) -> NDArray[np.uint8]:
    """The made-up surface of a seed: RGB uint8 [320,320,3], always the same.

    >>> texture(0).shape, bool((texture(0) == texture(0)).all())
    ((320, 320, 3), True)
    """
    draw = np.random.default_rng((seed, 7))
    kinds = (_noise, _brushed, _weave, _cells)
    relief = kinds[int(draw.integers(len(kinds)))](draw)
    if draw.random() < 0.5:
        other = kinds[int(draw.integers(len(kinds)))](draw)
        relief = _unit(relief + float(draw.uniform(0.2, 0.8)) * other)
    if draw.random() < 0.5:
        relief = _marked(relief, draw)
    return _coloured(relief, draw)


def _unit(field: Field) -> Field:
    """The field with mean 0 and deviation 1."""
    centred = field - field.mean()
    return centred / max(float(centred.std()), 1e-9)


def _spectrum(draw: np.random.Generator, weight: Field) -> Field:
    """White noise, filtered by a real weight for each frequency of `rfft2` but 0."""
    weight[0, 0] = 0
    white = np.fft.rfft2(draw.standard_normal((SIDE, SIDE)))
    return _unit(np.fft.irfft2(white * weight, s=(SIDE, SIDE)))


def _frequencies() -> tuple[Field, Field]:
    """Frequencies along both axes in cycles per pixel, in the order of `rfft2`."""
    return np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]


def _noise(draw: np.random.Generator) -> Field:
    """Noise whose amplitude falls with the frequency, from grain to clouds."""
    rows, columns = _frequencies()
    radius = np.sqrt(rows**2 + columns**2)
    finest = float(draw.uniform(0.05, 0.5))
    slope = float(draw.uniform(0.3, 2.0))
    weight = np.maximum(radius, 1 / SIDE) ** -slope * np.exp(-((radius / finest) ** 2))
    return _spectrum(draw, weight)


def _brushed(draw: np.random.Generator) -> Field:
    """Noise stretched along one direction, as by grinding and rolling."""
    rows, columns = _frequencies()
    angle = float(draw.uniform(0, np.pi))
    along = rows * np.cos(angle) + columns * np.sin(angle)
    across = columns * np.cos(angle) - rows * np.sin(angle)
    long, fine = float(draw.uniform(0.003, 0.05)), float(draw.uniform(0.05, 0.5))
    weight = np.exp(-((along / long) ** 2) - (across / fine) ** 2)
    return _spectrum(draw, weight)


def _weave(draw: np.random.Generator) -> Field:
    """One or two gratings, sine or square, slightly bent: fabric, grids, grooves."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    angle = float(draw.uniform(0, np.pi))
    bend = 4 * float(draw.random()) * _noise(draw)
    total = np.zeros((SIDE, SIDE))
    for turn in (0.0, np.pi / 2)[: int(draw.integers(1, 3))]:
        period = float(np.exp(draw.uniform(np.log(4), np.log(60))))
        along = x * np.cos(angle + turn) + y * np.sin(angle + turn) + bend
        wave = np.sin(2 * np.pi * along / period)
        total += np.sign(wave) if draw.random() < 0.3 else wave
    return _unit(total + float(draw.uniform(0, 0.6)) * _noise(draw))


def _cells(draw: np.random.Generator) -> Field:
    """Distance to the nearest of scattered points: grain, leather, gravel, tiles."""
    pitch = float(np.exp(draw.uniform(np.log(10), np.log(60))))
    count = int(np.ceil(SIDE / pitch)) + 2
    corners = np.moveaxis(np.mgrid[0:count, 0:count], 0, -1).astype(np.float64) - 0.5
    points = (corners + draw.uniform(0, 0.8) * draw.random((count, count, 2))) * pitch
    cell = np.minimum((np.arange(SIDE) / pitch).astype(int), count - 3) + 1
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    nearest = np.full((SIDE, SIDE), np.inf)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            near = points[np.ix_(cell + down, cell + right)]
            nearest = np.minimum(nearest, np.hypot(near[..., 0] - y, near[..., 1] - x))
    return _unit(nearest if draw.random() < 0.5 else np.minimum(nearest, 0.4 * pitch))


def _marked(relief: Field, draw: np.random.Generator) -> Field:
    """The relief with a few spots and scratches on it."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    marked = relief.copy()
    for _ in range(int(draw.integers(1, 8))):
        row, column = draw.uniform(0, SIDE, 2)
        angle = float(draw.uniform(0, np.pi))
        wide = float(np.exp(draw.uniform(0, np.log(12))))
        long = wide * float(np.exp(draw.uniform(0, np.log(20))))
        along = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
        across = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
        shape = np.exp(-(((along / long) ** 2 + (across / wide) ** 2) ** 2))
        marked += float(draw.uniform(-5, 5)) * shape
    return marked


def _coloured(relief: Field, draw: np.random.Generator) -> NDArray[np.uint8]:
    """The relief as levels between two colours or two greys."""
    share = 0.5 + relief * float(draw.uniform(0.04, 0.3))
    ends = draw.uniform(0, 255, (2, 3))
    if draw.random() < 0.5:
        ends = np.repeat(ends[:, :1], 3, axis=1)
    levels = ends[0] + np.clip(share, 0, 1)[..., None] * (ends[1] - ends[0])
    return np.rint(levels).astype(np.uint8)
