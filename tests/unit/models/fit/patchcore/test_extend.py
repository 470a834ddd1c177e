from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.fit.device import Compute
from takt_models.fit.errors import FitError
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.extend import Extended, extend_patchcore
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.progress import Fitted
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from takt_models.patchcore.places import Places
from tests.patchcore import a_patchcore

CONFIG = PatchCoreConfig(bank_sizes=(1, 1), width=64, height=32)
GOOD = tuple(Path(f"good/{number}.png") for number in range(9))
NEW = tuple(Path(f"new/{number}.png") for number in range(100, 117))
CPU = Compute.choose("cpu", bf16=False)


def load(path: Path) -> NDArray[np.uint8]:
    """Noise; that of the new pictures is much brighter."""
    noise = np.random.default_rng(int(path.stem))
    low = 180 if path.parent.name == "new" else 0
    return noise.integers(low, low + 76, (32, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def fitted() -> Fitted[PatchCore]:
    weights = a_patchcore(CONFIG).encoder.state_dict()
    encoder = PatchCoreEncoder("random", CONFIG, InputRecipe(64, 32, "area"), weights)
    return fit_patchcore([GOOD], load, encoder, PatchCoreOptions(bank_size=80), CPU, quiet=True)


def extend(
    fitted: Fitted[PatchCore], new: Sequence[Path] = NEW, lots: Sequence[str] = ()
) -> Extended:
    assert fitted.out_of_fold is not None
    return extend_patchcore(
        fitted.model,
        fitted.out_of_fold,
        fitted.good_cells,
        len(GOOD),
        new,
        load,
        CPU,
        lots=lots,
        quiet=True,
    )


@pytest.fixture(scope="module")
def extended(fitted: Fitted[PatchCore]) -> Extended:
    return extend(fitted)


def scores_of(model: PatchCore, paths: Sequence[Path]) -> torch.Tensor:
    images = torch.from_numpy(np.stack([load(path) for path in paths])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        _, scores = model(images)
    return scores


def former_of(fitted: Fitted[PatchCore]) -> OutOfFold:
    assert fitted.out_of_fold is not None
    return fitted.out_of_fold


def distances_of(model: PatchCore, paths: Sequence[Path]) -> torch.Tensor:
    images = torch.from_numpy(np.stack([load(path) for path in paths])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        return model.distances(model.embed(model.normalize(images)))


def test_no_vector_is_taken_out_so_that_no_distance_rises(
    fitted: Fitted[PatchCore], extended: Extended
) -> None:
    for former, bank in zip(fitted.model.banks, extended.model.banks, strict=True):
        size = len(former.vectors)
        assert size < len(bank.vectors) <= 2 * size
        assert torch.equal(bank.vectors[:size], former.vectors)
        assert torch.equal(bank.mean, former.mean)
    for paths in (GOOD, NEW):
        larger, smaller = (distances_of(one.model, paths) for one in (extended, fitted))
        assert (larger <= smaller + 1e-4).all()


def test_new_pictures_are_scored_before_and_after_and_neither_has_seen_them(
    fitted: Fitted[PatchCore], extended: Extended
) -> None:
    assert extended.before.shape == extended.after.shape == (2, len(NEW))
    # Distances are kept in half precision.
    (before, _), (after, _) = extended.before, extended.after
    torch.testing.assert_close(before, scores_of(fitted.model, NEW), atol=0.05, rtol=0.01)
    # What shifted is far from the former bank, and near to others of its own kind.
    assert after.mean() < 0.5 * before.mean()
    # The served bank has seen them, but for the cells in whose place are those of moved copies.
    new = extended.out_of_fold.distances[len(GOOD) :].transpose(0, 1)
    nearer = distances_of(extended.model, NEW).mean((0, 2, 3)) < new.mean((0, 2, 3))
    assert nearer.float().mean() > 0.8


def test_a_new_lot_is_scored_by_what_has_not_seen_it(fitted: Fitted[PatchCore]) -> None:
    found = extend(fitted, lots=["one lot"] * len(NEW))
    assert found.out_of_fold.lots == ("one lot",) * len(NEW)
    former = distances_of(fitted.model, NEW).transpose(0, 1)
    of_new = found.out_of_fold.distances[len(GOOD) :]
    torch.testing.assert_close(of_new, former, atol=0.05, rtol=0.01)
    # The served bank has it all the same.
    assert len(found.model.banks[0].vectors) > len(fitted.model.banks[0].vectors)


def test_of_several_new_lots_each_is_scored_by_the_others_too(fitted: Fitted[PatchCore]) -> None:
    by_others = extend(fitted, lots=[f"lot {number % 3}" for number in range(len(NEW))])
    by_none = extend(fitted, lots=["one lot"] * len(NEW))
    near, far = (one.out_of_fold.distances[len(GOOD) :].mean() for one in (by_others, by_none))
    assert near < 0.9 * far


def test_new_distances_join_those_of_the_former_pictures(
    fitted: Fitted[PatchCore], extended: Extended
) -> None:
    found, former = extended.out_of_fold, former_of(fitted)
    assert found.pictures == tuple(range(len(GOOD) + len(NEW)))
    assert found.folds == former.folds
    assert torch.equal(found.distances[: len(GOOD)], former.distances)
    # Former pictures cannot be read again, so that the new ones are asked of the grown bank.
    seen = distances_of(extended.model, NEW).mean(1)
    usual, spread = Places.of(found.distances).served(seen)
    torch.testing.assert_close(extended.model.usual, usual, rtol=1e-3, atol=0)
    assert torch.equal(extended.model.spread, spread)


def test_the_former_detector_stays_as_it_was(fitted: Fitted[PatchCore]) -> None:
    before = {name: one.clone() for name, one in fitted.model.state_dict().items()}
    extend(fitted)
    for name, one in fitted.model.state_dict().items():
        assert torch.equal(one, before[name]), name


def test_the_next_extension_goes_on_from_what_came_of_it(extended: Extended) -> None:
    further = tuple(Path(f"new/{number}.png") for number in range(200, 208))
    seen = len(GOOD) + len(NEW)
    again = extend_patchcore(
        extended.model,
        extended.out_of_fold,
        extended.good_cells,
        seen,
        further,
        load,
        CPU,
        quiet=True,
    )
    assert again.out_of_fold.pictures == tuple(range(seen + 8))
    assert len(again.out_of_fold.maps) == seen + 8


def test_good_parts_keep_the_names_of_their_files(
    fitted: Fitted[PatchCore], extended: Extended
) -> None:
    assert extended.good_cells is not None and fitted.good_cells is not None
    assert extended.good_cells.names == tuple(map(str, (*GOOD, *NEW)))
    nameless = replace(fitted.good_cells, names=())
    grown = extend(replace(fitted, good_cells=nameless))
    assert grown.good_cells is not None
    assert grown.good_cells.names == (*[""] * len(GOOD), *map(str, NEW))


def test_two_pictures_are_refused(fitted: Fitted[PatchCore]) -> None:
    with pytest.raises(FitError, match="2 different good parts; at least 3 are needed"):
        extend(fitted, NEW[:2])
