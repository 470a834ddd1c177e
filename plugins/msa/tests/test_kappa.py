from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from plugins.msa.tests.attribute_study import decisions
from takt_msa.kappa import DecisionPair, cohens_kappa, fleiss_kappa


@pytest.mark.parametrize("seed", range(5))
def test_cohens_kappa_is_that_of_scikit_learn_however_pairs_fall_into_parts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.random(60) < 0.4
    second = np.where(rng.random(60) < 0.8, first, ~first)
    pairs = [DecisionPair(bool(a), bool(b)) for a, b in zip(first, second, strict=True)]

    found = cohens_kappa([pairs[:10], pairs[10:13], pairs[13:]])

    assert found is not None
    assert found.value == pytest.approx(cohen_kappa_score(first, second))


def test_fleiss_kappa_is_that_of_all_ordered_pairs_of_trials() -> None:
    parts = decisions([1, 1, 1], [1, 0, 1], [0, 0, 0], [0, 0, 1], [0, 0, 0])
    pairs = [pair for part in parts for pair in permutations(part, 2)]

    found = fleiss_kappa(parts)

    assert found is not None
    assert found.value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))


def test_a_part_of_many_trials_weighs_no_more_than_another() -> None:
    few = fleiss_kappa(decisions([1, 0], [1, 1], [0, 0], [0, 0]))
    many = fleiss_kappa(decisions([1, 0], [1, 1], [0] * 50, [0, 0]))

    assert few is not None
    assert many is not None
    assert many.value == pytest.approx(few.value)


def test_perfect_agreement_on_few_parts_leaves_room_for_doubt() -> None:
    parts = decisions(*[[1, 1, 1]] * 5, *[[0, 0, 0]] * 5)
    found = fleiss_kappa(parts)

    assert found is not None
    assert found.value == 1
    assert found.interval().high == 1
    assert found.interval().low == pytest.approx(1 - (1 - 0.025**0.1) / 0.5)


def test_kappa_is_not_defined_where_nothing_is_ever_rejected() -> None:
    assert cohens_kappa([[DecisionPair(False, False)]]) is None
    assert fleiss_kappa(decisions([0, 0], [0, 0])) is None
    assert cohens_kappa([]) is None
    assert fleiss_kappa([]) is None
