"""Perlin's gradient noise, at any scale and angle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def perlin_noise(
    shape: tuple[int, int],
    cells: tuple[int, int],
    angle_rad: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Gradient noise (Perlin 2002): smooth, of mean 0, between -1 and 1.

    Each corner of a lattice has a random unit gradient g. In a cell, the four products g · d, with
    d from the corner to the point, are blended by 6t⁵ - 15t⁴ + 10t³; the sum is scaled by √2.

    Args:
        shape: (height, width) of the result.
        cells: cells of the lattice down and across.
        angle_rad: angle by which the lattice is turned.
        rng: random generator of the gradients.

    Returns:
        float32 [height,width].
    """
    y, x = np.meshgrid(
        *((np.arange(side) + 0.5) / side - 0.5 for side in shape), indexing="ij", copy=False
    )
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    turned = np.stack([(cosine * y + sine * x) * cells[0], (cosine * x - sine * y) * cells[1]])
    # A square turned by 45° reaches √2 times as far.
    lattice = [int(np.ceil(1.5 * count)) + 3 for count in cells]
    turned += np.reshape(lattice, (2, 1, 1)) / 2 - 0.5
    corner = np.floor(turned).astype(np.intp)
    inside = turned - corner
    towards = rng.uniform(0, 2 * np.pi, lattice)
    fade = inside**3 * (inside * (6 * inside - 15) + 10)

    def product(down: int, across: int) -> NDArray[np.float64]:
        angle = towards[corner[0] + down, corner[1] + across]
        found: NDArray[np.float64] = np.sin(angle) * (inside[0] - down) + np.cos(angle) * (
            inside[1] - across
        )
        return found

    upper = (1 - fade[1]) * product(0, 0) + fade[1] * product(0, 1)
    lower = (1 - fade[1]) * product(1, 0) + fade[1] * product(1, 1)
    noise = np.sqrt(2) * ((1 - fade[0]) * upper + fade[0] * lower)
    return np.asarray(noise, np.float32)
