from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.checkpoints.facts import InputRecipe
from models.fit.device import Compute
from models.fit.errors import FitError
from models.fit.patchcore.encoders import PatchCoreEncoder
from models.fit.patchcore.extend import Extended, extend_patchcore
from models.fit.patchcore.fit import fit_patchcore
from models.fit.patchcore.options import PatchCoreOptions
from models.fit.progress import Fitted
from models.patchcore.config import PatchCoreConfig
from models.patchcore.detector import PatchCore
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


def extend(fitted: Fitted[PatchCore], new: Sequence[Path] = NEW) -> Extended:
    assert fitted.out_of_fold is not None
    return extend_patchcore(fitted.model, fitted.out_of_fold, len(GOOD), new, load, CPU, quiet=True)


@pytest.fixture(scope="module")
def extended(fitted: Fitted[PatchCore]) -> Extended:
    return extend(fitted)


def scores_of(model: PatchCore, paths: Sequence[Path]) -> torch.Tensor:
    images = torch.from_numpy(np.stack([load(path) for path in paths])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        _, scores = model(images)
    return scores


def test_no_vector_is_taken_out_so_that_no_score_rises(
    fitted: Fitted[PatchCore], extended: Extended
) -> None:
    for former, bank in zip(fitted.model.banks, extended.model.banks, strict=True):
        size = len(former.vectors)
        assert size < len(bank.vectors) <= 2 * size
        assert torch.equal(bank.vectors[:size], former.vectors)
        assert torch.equal(bank.mean, former.mean)
    for paths in (GOOD, NEW):
        assert (scores_of(extended.model, paths) <= scores_of(fitted.model, paths) + 1e-5).all()


def test_new_pictures_are_scored_before_and_after_and_neither_has_seen_them(
    fitted: Fitted[PatchCore], extended: Extended
) -> None:
    found = extended.out_of_fold
    former = len(fitted.out_of_fold.pictures) if fitted.out_of_fold else 0
    new = [NEW[number - len(GOOD)] for number in found.pictures[former:]]
    assert len(new) == len(extended.before) == len(extended.after) == 16
    torch.testing.assert_close(extended.before, scores_of(fitted.model, new), atol=1e-4, rtol=0)
    # What shifted is far from the former bank, and near to others of its own kind.
    assert extended.after.mean() < 0.9 * extended.before.mean()
    assert (scores_of(extended.model, new) <= extended.after + 1e-5).all()


def test_folds_keep_one_size_and_the_next_extension_goes_on_from_them(
    fitted: Fitted[PatchCore], extended: Extended
) -> None:
    found = extended.out_of_fold
    assert found.folds == (fitted.out_of_fold.folds if fitted.out_of_fold else 0)
    assert len(found.pictures) % found.folds == 0
    assert len(found.fold_of_vectors) == sum(extended.model.config.bank_sizes)
    further = tuple(Path(f"new/{number}.png") for number in range(200, 208))
    seen = len(GOOD) + len(NEW)
    again = extend_patchcore(extended.model, found, seen, further, load, CPU, quiet=True)
    assert len(again.out_of_fold.maps) == len(found.maps) + 8


def test_fewer_pictures_than_folds_are_refused(fitted: Fitted[PatchCore]) -> None:
    with pytest.raises(FitError, match="3 different good parts; at least 8 are needed"):
        extend(fitted, NEW[:3])
