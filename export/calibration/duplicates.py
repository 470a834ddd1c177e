"""Pictures that nearly repeat another one, as frames of one part do.

A conformal threshold promises its rate for independent pictures. Two pictures of one part count as
one, nearly; files that are copies to the byte have been left out before.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.calibration.pictures_to_use import sample_evenly
from export.pictures import read_fit_input
from service.bundles.manifest import Preprocess

THUMBNAIL_PX = 64
LOOK = Preprocess(width=THUMBNAIL_PX, height=THUMBNAIL_PX, resize="area", reduced_decode=True)

MOST_COMPARED = 2000
"""Most pictures that are compared with one another; of more, so many are taken evenly."""

COPY_DISTANCE = 0.1
"""Distance of two pictures of one part, as a share of the median distance of two pictures."""

_BLOCK = 256


def count_near_copies(pictures: Sequence[Path], others: Sequence[Path] = ()) -> int:
    """Number of pictures that nearly repeat an earlier one, or one of the others.

    Pictures are compared as thumbnails of 64 x 64 pixels, by the root of the mean square of their
    difference. Two are of one part if that is less than a tenth of the median over all pairs.

    Args:
        pictures: those that calibrate.
        others: those that the fit has seen, of the same line.

    Raises:
        PicturesError: a picture cannot be read.
    """
    compared = sample_evenly(pictures, others, MOST_COMPARED)
    if len(compared) < 2:
        return 0
    thumbnails = np.stack([read_fit_input(path, LOOK) for path in compared])
    distances = _distances(thumbnails.reshape(len(compared), -1))
    pairs = distances[np.triu_indices(len(compared), 1)]
    limit = COPY_DISTANCE * float(np.median(pairs))
    alike = distances <= limit if limit > 0 else distances == 0
    count = min(len(pictures), len(compared))
    np.fill_diagonal(alike, False)
    # Of pictures that calibrate, the first of each part counts as itself.
    earlier = np.tril(alike[:count, :count], -1).any(axis=1)
    seen = alike[:count, count:].any(axis=1)
    return int((earlier | seen).sum())


def _distances(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Root mean square differences of pictures, uint8 [n,d] -> float32 [n,n]; exact where 0."""
    count, size = pixels.shape
    distances = np.zeros((count, count), np.float32)
    values = pixels.astype(np.float32)
    squares = np.einsum("nd,nd->n", values, values, dtype=np.float64)
    for start in range(0, count, _BLOCK):
        block = slice(start, start + _BLOCK)
        products = (values[block] @ values.T).astype(np.float64)
        square = squares[block, None] + squares[None, :] - 2 * products
        distances[block] = np.sqrt(np.maximum(square, 0) / size)
    return distances
