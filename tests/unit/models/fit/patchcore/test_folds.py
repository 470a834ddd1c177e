from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.fit.device import Compute
from takt_models.fit.errors import FitError
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.fit.patchcore.fit import with_banks
from takt_models.fit.patchcore.folds import (
    FOLDS,
    MOST_MEASURED,
    MOST_SCORED,
    MOST_SEEN,
    Folds,
    bank_sizes,
    choose,
    gathered,
    score_fold,
    seen_distances,
)
from takt_models.patchcore.bank import LEAST_DISTANCE
from takt_models.patchcore.config import PatchCoreConfig
from tests.patchcore import a_patchcore

CONFIG = PatchCoreConfig(bank_sizes=(1, 1), width=64, height=32)


def load(path: Path) -> NDArray[np.uint8]:
    noise = np.random.default_rng(int(path.stem))
    return noise.integers(0, 256, (32, 64, 3), dtype=np.uint8)


def features_of(numbers: Sequence[int]) -> PictureFeatures:
    paths = [Path(f"{number}.png") for number in numbers]
    compute = Compute.choose("cpu", bf16=False)
    features = PictureFeatures(paths, load, a_patchcore(CONFIG), compute)
    features.read(range(len(paths)))
    features.measure(range(len(paths)))
    return features


def alone(count: int) -> list[list[int]]:
    """As many parts of one picture each."""
    return [[number] for number in range(count)]


@pytest.mark.parametrize("count", [3, 4, 12, 22, 99, 100, 203, 5000])
def test_every_part_is_scored_in_one_fold_unless_they_are_too_many(count: int) -> None:
    folds = Folds.deal(alone(count), seed=1)

    scored = [number for fold in folds.of for (number,) in fold]
    assert len(scored) == min(count, MOST_SCORED)
    assert sorted([*scored, *folds.rest]) == [*range(count)]
    sizes = {len(fold) for fold in folds.of}
    assert max(sizes) - min(sizes) <= 1
    assert len(folds.measured) == min(count, MOST_MEASURED)


def test_what_is_left_out_of_a_fold_is_in_no_bank_of_it() -> None:
    folds = Folds.deal(alone(23), seed=0)
    for number, fold in enumerate(folds.of):
        own = {picture for part in fold for picture in part}
        assert own | {*folds.others(number)} == {*range(23)}
        assert not own & {*folds.others(number)}
    assert sorted(folds.all) == [*range(23)]


def test_there_are_no_more_folds_than_parts() -> None:
    assert len(Folds.deal(alone(FOLDS), seed=0).of) == FOLDS
    assert len(Folds.deal(alone(FOLDS - 1), seed=0).of) == FOLDS - 1


def test_the_seed_decides_who_shares_a_fold() -> None:
    assert Folds.deal(alone(20), seed=0) == Folds.deal(alone(20), seed=0)
    assert Folds.deal(alone(20), seed=0) != Folds.deal(alone(20), seed=1)


def test_copies_share_a_fold_and_count_once() -> None:
    parts = [[0, 10, 11], *([number] for number in range(1, 10))]
    for seed in range(10):
        folds = Folds.deal(parts, seed)
        homes = [number for number, fold in enumerate(folds.of) if (0, 10, 11) in fold]
        assert len(homes) == 1
        assert not {0, 10, 11} & {*folds.others(homes[0])}


def test_pictures_of_a_lot_share_a_fold_and_each_counts() -> None:
    lots = [number % 4 for number in range(20)]
    folds = Folds.deal(alone(20), seed=0, apart=lots)
    assert sum(len(fold) for fold in folds.of) == 20
    assert len(folds.of) == 4
    for number, fold in enumerate(folds.of):
        own = {lots[picture] for (picture,) in fold}
        assert not own & {lots[picture] for picture in folds.others(number)}


def test_folds_of_more_lots_than_folds_are_about_as_large() -> None:
    folds = Folds.deal(alone(150), seed=0, apart=[number // 5 for number in range(150)])
    assert [len(fold) for fold in folds.of] == [15] * FOLDS


def test_each_part_of_its_own_is_dealt_as_without_lots() -> None:
    alike = Folds.deal(alone(50), seed=3, apart=range(50))
    assert alike.of == Folds.deal(alone(50), seed=3).of


def test_pictures_beyond_those_that_are_scored_are_in_no_bank_of_their_lot() -> None:
    count = MOST_SCORED + 300
    lots = [number % 5 for number in range(count)]
    folds = Folds.deal(alone(count), seed=0, apart=lots)
    assert len(folds.rest) == 300
    for number, fold in enumerate(folds.of):
        own = {lots[picture] for (picture,) in fold}
        others = folds.others(number)
        assert not own & {lots[picture] for picture in others}
        assert {*folds.rest} & {*others}


def test_two_parts_of_many_pictures_are_refused() -> None:
    with pytest.raises(FitError, match="2 different good parts; at least 3"):
        Folds.deal(alone(20), seed=0, apart=[number % 2 for number in range(20)])


def test_two_parts_are_refused() -> None:
    with pytest.raises(FitError, match="at least 3"):
        Folds.deal([[0], [1, 2]], seed=0)


def test_a_bank_is_dealt_to_its_layers_by_their_channels() -> None:
    model = a_patchcore(CONFIG)
    assert bank_sizes(50, model) == (13, 37)
    assert bank_sizes(2, model) == (1, 1)


def test_a_bank_with_no_vector_for_a_layer_is_refused() -> None:
    with pytest.raises(FitError, match="enlarge it"):
        bank_sizes(1, a_patchcore(CONFIG))


def test_the_vectors_of_a_bank_are_cells_of_its_pictures_alone() -> None:
    features = features_of(range(6))
    for layer, vectors in enumerate(choose(features, (1, 4), (12, 10), seed=0)):
        assert len(vectors) == (12, 10)[layer]
        own, others = (
            torch.cat([features.cells(one)[layer] for one in pictures])
            for pictures in ((1, 4), (0, 2, 3, 5))
        )
        assert float(torch.cdist(vectors, own).amin(1).max()) < 0.05
        assert float(torch.cdist(vectors, others).amin(1).min()) > 0.05


def test_a_picture_is_far_from_banks_that_have_not_seen_it_and_near_to_its_own() -> None:
    features = features_of(range(5))
    counts = (4 * 32, 4 * 8)
    banks = choose(features, (0, 1, 2, 3), counts, seed=0)

    unseen, seen = score_fold(features.model, features, [(4,), (2,)], banks)

    assert unseen.shape == seen.shape == (2, 4, 8)
    assert float(unseen.min()) > 5 * LEAST_DISTANCE
    assert float(seen.max()) < 5 * LEAST_DISTANCE


def test_the_served_bank_is_held_against_pictures_that_it_has_seen() -> None:
    features = features_of(range(5))
    model = with_banks(features.model, choose(features, (0, 1, 2, 3), (40, 10), seed=0))
    each = [seen_distances(model, features, [number]) for number in (1, 3)]

    both = seen_distances(model, features, [1, 3])

    torch.testing.assert_close(both, (each[0] + each[1]) / 2)
    asked = seen_distances(model, features, [1] * MOST_SEEN + [3] * MOST_SEEN)
    torch.testing.assert_close(asked, both)


def test_several_pictures_of_a_part_have_their_highest_distance_at_each_place() -> None:
    features = features_of(range(5))
    banks = choose(features, (0, 1), (20, 20), seed=0)
    one, other, both = score_fold(features.model, features, [(2,), (3,), (2, 3)], banks)
    assert torch.equal(both, one.maximum(other))


def test_parts_are_kept_in_the_order_of_their_first_pictures_as_float16_holds_them() -> None:
    distances = torch.rand(3, 2, 4, 8)
    found = gathered([((5,), distances[0]), ((1, 9), distances[1]), ((3,), distances[2])], folds=3)
    assert (found.pictures, found.folds) == ((1, 3, 5), 3)
    assert torch.equal(found.distances, distances[[1, 2, 0]].half().float())
