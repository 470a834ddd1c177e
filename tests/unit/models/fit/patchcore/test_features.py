from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.fit.device import Compute
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.fit.pictures import Load
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from tests.patchcore import a_patchcore

PATHS = tuple(Path(f"{number}.png") for number in range(4))
SHAPES = [(32, 40), (8, 112)]
PICTURE_BYTES = 2 * (32 * 40 + 8 * 112)
"""Of what is kept in half precision."""


class Disk:
    """Reads made-up pictures, and counts how often."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        self.reads += 1
        noise = np.random.default_rng(int(path.stem))
        return noise.integers(0, 256, (32, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> PatchCore:
    return a_patchcore(PatchCoreConfig((1, 1), 64, 32))


def measured(model: PatchCore, disk: Load, **limits: int) -> PictureFeatures:
    compute = Compute.choose("cpu", bf16=False)
    features = PictureFeatures(PATHS, disk, model, compute, **limits)
    features.read(range(len(features)))
    features.measure(range(len(features)))
    return features


def test_each_picture_is_read_once_as_long_as_memory_allows(model: PatchCore) -> None:
    disk = Disk()
    features = measured(model, disk)
    for index in range(4):
        assert [layer.shape for layer in features.cells(index)] == SHAPES
    assert disk.reads == 4


def test_what_finds_no_room_is_computed_anew_and_is_the_same(model: PatchCore) -> None:
    kept, disk = measured(model, Disk()), Disk()
    features = measured(model, disk, room=2 * PICTURE_BYTES)
    for index in range(4):
        torch.testing.assert_close(features.cells(index), kept.cells(index), rtol=0, atol=0.01)
    # Two find no room: they are read for the statistics, and for their cells.
    assert disk.reads == 8


def test_candidates_are_cells_of_the_asked_pictures(model: PatchCore) -> None:
    features = measured(model, Disk(), most_candidates=40)
    for layer, candidates in enumerate(features.candidates([1, 3])):
        assert candidates.shape == (10, SHAPES[layer][1])
        cells = torch.cat([features.cells(index)[layer] for index in (1, 3)])
        assert (torch.cdist(candidates, cells).amin(1) < 0.05).all()


def test_cells_of_moved_copies_are_as_many_candidates_as_those_of_the_pictures(
    model: PatchCore,
) -> None:
    # First, as the statistics of whoever measures last are the model's.
    inverted = measured(model, lambda path: 255 - Disk()(path))
    features = measured(model, Disk(), most_candidates=40)
    without = features.candidates([1, 3])
    features.read_moved(lambda _, picture: 255 - picture)
    candidates = features.candidates([1, 3])
    for layer, bank in enumerate(model.banks):
        assert candidates[layer].shape == (20, SHAPES[layer][1])
        raw = torch.cat([inverted.raw(index)[layer] for index in (1, 3)])
        of_copies = torch.cdist(candidates[layer], bank.standardize(raw)).amin(1) < 0.05
        of_pictures = torch.cdist(candidates[layer], without[layer]).amin(1) < 0.05
        assert int(of_copies.sum()) == int(of_pictures.sum()) == 10


def test_tokens_that_are_compared_by_direction_have_no_moved_copies() -> None:
    config = PatchCoreConfig((1,), 28, 28, encoder="dinov2", layers=(0,), embed_dim=12)
    compute = Compute.choose("cpu", bf16=False)
    features = PictureFeatures(PATHS, Disk(), a_patchcore(config), compute)
    features.read_moved(lambda _, picture: pytest.fail("nothing is to be moved"))


def test_many_pictures_give_a_cell_each(model: PatchCore) -> None:
    candidates = measured(model, Disk(), most_candidates=2).candidates(range(4))
    assert [layer.shape for layer in candidates] == [(4, 40), (4, 112)]
