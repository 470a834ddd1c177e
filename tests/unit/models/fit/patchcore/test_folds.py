from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.fit.device import Compute
from models.fit.errors import FitError
from models.fit.patchcore.features import PictureFeatures
from models.fit.patchcore.fit import with_banks
from models.fit.patchcore.folds import FEW, FOLDS, Folds, nested_banks, out_of_fold
from models.patchcore.config import PatchCoreConfig
from tests.patchcore import a_patchcore

CONFIG = PatchCoreConfig(bank_sizes=(1, 1), width=64, height=32)


def load(path: Path) -> NDArray[np.uint8]:
    noise = np.random.default_rng(int(path.stem))
    return noise.integers(0, 256, (32, 64, 3), dtype=np.uint8)


def features_of(numbers: Sequence[int], measured: Sequence[int]) -> PictureFeatures:
    paths = [Path(f"{number}.png") for number in numbers]
    compute = Compute.choose("cpu", bf16=False)
    features = PictureFeatures(paths, load, a_patchcore(CONFIG), compute)
    features.read(range(len(paths)))
    features.measure(measured)
    return features


@pytest.mark.parametrize("count", [3, 4, 12, 22, 23, 200, 5000])
def test_every_part_is_scored_in_a_fold_or_in_every_bank(count: int) -> None:
    folds = Folds.deal([[number] for number in range(count)], seed=1)

    scored = [number for fold in folds.scored for (number,) in fold]
    assert sorted([*scored, *folds.rest]) == [*range(count)]
    assert len({len(fold) for fold in folds.scored}) == 1
    assert set(folds.measured) <= set(folds.rest)
    assert folds.measured
    # What is left over beside the pictures that are measured does not fill the folds.
    if count < 2000:
        assert len(folds.rest) - len(folds.measured) < FOLDS


def test_few_parts_are_a_fold_each_and_many_share_five() -> None:
    assert len(Folds.deal([[number] for number in range(FEW + 2)], seed=0).of) == FEW
    assert len(Folds.deal([[number] for number in range(FEW + 10)], seed=0).of) == FOLDS


def test_copies_share_a_fold_and_count_once() -> None:
    parts = [[0, 10, 11], *([number] for number in range(1, 10))]
    for seed in range(10):
        folds = Folds.deal(parts, seed)
        homes = {number: home for home, fold in enumerate(folds.of) for number in fold}
        assert homes.get(0) == homes.get(10) == homes.get(11)
        counted = [part for fold in folds.scored for part in fold]
        assert 0 not in homes or counted.count((0, 10, 11)) == 1


def test_two_parts_are_refused() -> None:
    with pytest.raises(FitError, match="at least 3"):
        Folds.deal([[0], [1, 2]], seed=0)


def test_the_bank_keeps_its_size_and_each_fold_its_share() -> None:
    folds = Folds.deal([[number] for number in range(12)], seed=0)
    banks = nested_banks(features_of(range(12), folds.measured), folds, 50, seed=0)

    assert [len(bank.vectors) for bank in banks] == [13, 37]
    for bank in banks:
        shares = torch.bincount(bank.fold + 1)
        assert len(set(shares[1:].tolist())) == 1
        assert shares[0] > 0


def test_a_fold_chooses_the_same_vectors_whatever_is_in_the_others() -> None:
    folds = Folds.deal([[number] for number in range(12)], seed=0)
    numbers = [*range(12)]
    others = [
        number if number in (*folds.of[0], *folds.rest) else 100 + number for number in numbers
    ]

    banks = nested_banks(features_of(numbers, folds.measured), folds, 60, seed=0)
    changed = nested_banks(features_of(others, folds.measured), folds, 60, seed=0)

    for bank, another in zip(banks, changed, strict=True):
        for fold in (0, -1):
            mine, theirs = bank.vectors[bank.fold == fold], another.vectors[another.fold == fold]
            assert torch.equal(mine, theirs)
        assert not torch.equal(bank.vectors, another.vectors)


def test_a_bank_too_small_for_its_folds_is_refused() -> None:
    folds = Folds.deal([[number] for number in range(12)], seed=0)
    with pytest.raises(FitError, match="enlarge"):
        nested_banks(features_of(range(12), folds.measured), folds, 40, seed=0)


def test_a_picture_is_never_scored_by_its_own_folds_vectors() -> None:
    folds = Folds.deal([[number] for number in range(30)], seed=0)
    features = features_of(range(30), folds.measured)
    banks = nested_banks(features, folds, 100, seed=0)
    model = with_banks(features.model, [bank.vectors for bank in banks])

    found = out_of_fold(model, features, folds, banks, range(25))

    assert found.folds == FOLDS
    home = {number: fold for fold, scored in enumerate(folds.scored) for (number,) in scored}
    assert found.pictures == tuple(sorted(home))
    for row, picture in enumerate(found.pictures):
        layers = zip(model.banks, banks, features.cells(picture), strict=True)
        distances = [
            own.distance(cells[None], nested.vectors[nested.fold != home[picture]])
            for own, nested, cells in layers
        ]
        torch.testing.assert_close(found.maps[row], model.fuse(distances)[0], rtol=0, atol=0)


def test_what_is_served_never_scores_a_picture_higher_than_out_of_fold() -> None:
    folds = Folds.deal([[number] for number in range(8)], seed=0)
    features = features_of(range(8), folds.measured)
    banks = nested_banks(features, folds, 60, seed=0)
    model = with_banks(features.model, [bank.vectors for bank in banks])
    found = out_of_fold(model, features, folds, banks, range(7))

    images = np.stack([load(features.paths[picture]) for picture in found.pictures])
    with torch.no_grad():
        served, scores = model(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)

    assert (served <= found.maps + 1e-4).all()
    assert (served < found.maps - 1e-3).any()
    assert (scores <= model.score_of(found.maps.flatten(1)) + 1e-4).all()
