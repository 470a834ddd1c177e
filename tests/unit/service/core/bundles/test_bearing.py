"""What a model bears, in words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from takt.core.bundles.bearing import Bearing, KindBorne, MovedShare, MovementKind


def kind(name: MovementKind, bound: float, *magnitudes: float) -> KindBorne:
    steps = tuple(MovedShare(magnitude=one, rejected=0.05) for one in magnitudes)
    return KindBorne(kind=name, bound=bound, steps=steps)


def bearing(*kinds: KindBorne) -> Bearing:
    return Bearing(pictures=60, limit=0.08, kinds=kinds)


def test_each_kind_has_its_words() -> None:
    told = bearing(
        kind("shift", 3, 1, 2, 3, 4),
        kind("turn", 2, 1, 2, 3),
        kind("light", 15, 5, 10, 15, 20),
        kind("noise", 2, 1, 2, 3),
    )
    assert told.text == (
        "shifts to 3 %, turns to 2°, light ±15 %, noise to 2 levels; "
        "beyond that good parts are rejected"
    )
    assert told.warning is None


def test_what_is_not_borne_at_all_is_said() -> None:
    told = bearing(kind("noise", 0, 1), kind("turn", 0, 1))
    assert told.text.startswith("no noise of 1 level, no turn of 1°; beyond")
    assert told.warning is None


@pytest.mark.parametrize("little", [kind("shift", 0, 1), kind("light", 0, 5)])
def test_a_model_that_bears_hardly_a_movement_says_what_to_do(little: KindBorne) -> None:
    warning = bearing(little).warning
    assert warning is not None
    assert warning.startswith("more than 8 % of good parts are rejected where the ")
    assert "fix part and light" in warning
    assert "lit otherwise, too" in warning


def test_nothing_is_said_against_a_model_of_which_too_little_is_known() -> None:
    told = Bearing(pictures=6, limit=0.08, kinds=())
    assert told.text == "not known from 6 pictures"
    assert told.warning is None


def test_a_bound_that_was_not_tried_is_refused() -> None:
    with pytest.raises(ValidationError, match="not tried"):
        kind("shift", 4, 1, 2)
    with pytest.raises(ValidationError, match="do not rise"):
        kind("shift", 1, 2, 1)
