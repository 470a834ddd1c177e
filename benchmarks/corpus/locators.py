"""Where the parts of a set lie: the locator that its models get, and what it tells of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from takt.core.pictures.prepare import prepare
from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.pictures import MAX_PIXELS, named, usual_size
from takt_models.fit.parts import kept_together
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.locating import gray_of, movements, taught
from takt_models.patchcore.detector import PatchCore
from takt_models.patchcore.locator import Locator

Grays = NDArray[np.uint8]
"""Pictures as `gray_of` gives them, [N,h,w]."""


def grays_in(folder: Path, files: Iterable[tuple[Path, bytes]], encoder: PatchCoreEncoder) -> Grays:
    """The gray pictures that a folder keeps; made if they are missing.

    Args:
        folder: of these pictures and this size of the input alone.
        files: the pictures by their names and bytes; not read if nothing is missing.
        encoder: with the size of the input.

    Raises:
        PicturesError: a picture cannot be read.
    """
    path = folder / "gray.npy"
    if not path.is_file():
        spec = preprocess_of(encoder.recipe)
        found = []
        for name, data in files:
            with named(name):
                found.append(gray_of(np.asarray(prepare(data, spec, MAX_PIXELS)[1], np.uint8)))
        np.save(path, np.stack(found))
    grays: Grays = np.load(path)
    return grays


@dataclass(frozen=True)
class Located:
    """The locator of a set's models.

    Attributes:
        locator: None where it could not be relied on.
        map_size: (rows, columns) of the map.
    """

    locator: Locator | None
    map_size: tuple[int, int]

    @classmethod
    def of(
        cls, good: Grays, paths: Iterable[Path], part: Iterable[int], encoder: PatchCoreEncoder
    ) -> Located:
        """The locator that good pictures teach, as a fit has it."""
        model = PatchCore(encoder.config)
        parts = kept_together(range(len(good)), [*part])
        aspect = usual_size(paths).aspect
        return cls(taught(model, lambda number: good[number], parts, aspect), model.map_size)

    @torch.no_grad()
    def new_content(self, grays: Grays) -> NDArray[np.bool_]:
        """The cells of the pictures' maps that show what came from beyond the border, [N,h,w]."""
        if self.locator is None:
            return np.zeros((len(grays), *self.map_size), np.bool_)
        moves = movements(self.locator, [*grays])
        found: NDArray[np.bool_] = self.locator.new_content(moves).numpy()
        return found
