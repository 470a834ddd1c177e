"""How evidence is gathered."""

from __future__ import annotations

import numpy as np
import pytest

from takt.watching.bands import band_of
from takt.watching.evidence import Bets, GatheredEvidence


def test_each_picture_may_be_the_first_after_a_change() -> None:
    evidence = GatheredEvidence.none(2)
    most = np.full(2, np.inf)

    for worth in ([2.0, 0.5], [3.0, 0.5]):
        evidence.add(np.array(worth), most)

    # (1 + (1 + 0) 2) 3, and the same with a half.
    assert evidence.strength == pytest.approx([9.0, 0.75])
    # Of the 9, 6 are of a change one picture ago.
    assert evidence.age / evidence.strength == pytest.approx([6 / 9, 0.25 / 0.75])


def test_evidence_that_is_enough_grows_no_further_and_keeps_its_beginning() -> None:
    evidence = GatheredEvidence.none(1)

    for _ in range(1000):
        evidence.add(np.array([3.0]), np.array([1e6]))

    assert evidence.strength[0] == pytest.approx(1e6)
    assert evidence.age[0] / evidence.strength[0] == pytest.approx(999, abs=1)


def test_without_a_change_evidence_grows_by_less_than_one_a_picture(
    rng: np.random.Generator,
) -> None:
    worth = np.array([0.5, 2.0])
    ends = []
    for _ in range(400):
        evidence = GatheredEvidence.none(1)
        for high in rng.random(50) < 1 / 3:
            evidence.add(worth[[int(high)]], np.array([np.inf]))
        ends.append(evidence.strength[0])

    assert np.mean(ends) < 50 + 3 * np.std(ends) / 20


def test_worth_goes_by_what_is_strictly_beyond() -> None:
    band = band_of(np.append(np.zeros(99), 1.0), 4, 0.0)
    assert band is not None
    bets = Bets([band], facts=[0], signs=[1.0])

    worth = bets.worth(np.array([[-5.0], [0.0], [0.5], [1.0], [2.0], [np.inf]]))[:, 0]

    assert (worth[0] == worth[1]).all()
    assert (worth[2] == worth[3]).all()
    assert (worth[4] == worth[5]).all()
    assert worth[1, 2] < worth[2, 2] < worth[4, 2]


def test_an_unknown_fact_leaves_its_evidence_as_it_is() -> None:
    band = band_of(np.arange(50.0), 4, 0.0)
    assert band is not None
    bets = Bets([band, band], facts=[0, 1], signs=[1.0, -1.0])
    worth = bets.worth(np.array([[np.nan, -5.0]]))[0]
    evidence = GatheredEvidence(np.full(worth.size, 4.0), np.full(worth.size, 8.0))

    evidence.add(worth.ravel(), np.full(worth.size, np.inf))

    of_unknown, of_known = evidence.strength.reshape(worth.shape)
    assert (of_unknown == 4).all()
    assert of_known == pytest.approx(5 * worth[1])
    # Its beginning is a picture further ago.
    assert (evidence.age.reshape(worth.shape)[0] == 12).all()
