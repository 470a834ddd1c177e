from __future__ import annotations

import math

import numpy as np
import pytest

from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.search.choosing import FoundByTrial, Gain, Tried, taken_of

USUAL = BankChoice(320, (4, 10), 6000)


def found(
    made_up: list[float], choosing: list[bool] | None = None, held_out: list[bool] | None = None
) -> FoundByTrial:
    shares = np.array(made_up)
    chosen, held = (np.array(one or [], np.bool_) for one in (choosing, held_out))
    return FoundByTrial(shares, np.isnan(shares), chosen, held)


def tried(side: int, what: FoundByTrial) -> Tried:
    return Tried(BankChoice(side, (4, 10), 6000), what, 1.0)


DEFAULT = tried(320, found([0.5, 0.6, 0.4, 0.5]))


@pytest.mark.parametrize(
    ("made_up", "side"),
    [
        ([0.7, 0.8, 0.6, 0.8], 512),  # more on each picture
        ([1.0, 0.5, 0.4, 0.5], 320),  # more on one alone
        ([0.5, 0.6, 0.4, 0.5], 320),  # the same
        ([0.3, 0.4, 0.2, 0.3], 320),  # clearly less
    ],
)
def test_the_default_is_kept_unless_another_finds_clearly_more(
    made_up: list[float], side: int
) -> None:
    assert taken_of([DEFAULT, tried(512, found(made_up))]).choice.side == side


def test_of_several_that_find_clearly_more_the_best_is_taken() -> None:
    others = [tried(256 + 64 * n, found([0.6 + n / 10] * 4)) for n in (0, 2, 1)]
    assert taken_of([DEFAULT, *others]).choice.side == 384


def test_the_given_defects_that_choose_count_beside_the_made_up_ones() -> None:
    default = tried(320, found([0.5] * 4, [False] * 6))
    other = tried(512, found([0.5] * 4, [True] * 6))
    assert taken_of([default, other]) is other
    assert taken_of([default, tried(512, found([0.5] * 4, [True] + [False] * 5))]) is default


def test_held_out_defects_choose_nothing() -> None:
    default = tried(320, found([0.5] * 4, held_out=[False] * 50))
    other = tried(512, found([0.5] * 4, held_out=[True] * 50))
    assert taken_of([default, other]) is default


def test_a_picture_that_either_rejects_as_it_is_says_nothing() -> None:
    gain = Gain.of(found([0.9, 0.8, math.nan, 0.7]), found([0.5, math.nan, 0.1, 0.3]))
    assert gain.share == pytest.approx(0.4)
    assert gain.is_clear


def test_a_single_picture_is_never_clear() -> None:
    gain = Gain.of(found([1.0]), found([0.0]))
    assert (gain.share, gain.error) == (1.0, math.inf)
    assert not gain.is_clear
    assert not Gain.of(found([]), found([])).is_clear
