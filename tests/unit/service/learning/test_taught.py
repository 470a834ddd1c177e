from typing import Any

import pytest

from takt.learning.taught import MOST_NAMED, taught_of
from tests.fake_learn import TAUGHT


def test_all_that_is_told_is_kept() -> None:
    found = taught_of(TAUGHT)
    assert found is not None
    assert (found.defects, found.found_before, found.found_after) == (20, 3, 14)
    assert (found.bank_found_before, found.p_value) == (9, None)
    (turned,) = found.turned
    assert (turned.inspection, turned.judgement, turned.to) == (12, None, "rejected")
    assert (turned.score_after, turned.threshold_after) == (3.5, 3.0)
    (doubt,) = found.doubts
    assert (doubt.judgement, doubt.why) == ("defect", "it looks like the good ones")
    assert found.kinds == {"scratch": 12, "dent": 5, "": 3}


def test_what_nobody_knows_is_passed_over() -> None:
    assert taught_of(TAUGHT | {"new": 1}) == taught_of(TAUGHT)


@pytest.mark.parametrize("told", [None, [], "taught", {}, {"defects": 1}])
def test_what_is_no_whole_object_says_nothing(told: object) -> None:
    assert taught_of(told) is None


@pytest.mark.parametrize("name", ["defects", "good", "passed", "found_before", "turned_rejected"])
@pytest.mark.parametrize("value", [None, "3", 3.0, -1, True])
def test_no_number_stands_for_one_that_is_missing(name: str, value: object) -> None:
    assert taught_of(TAUGHT | {name: value}) is None


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), "0.03"])
def test_a_share_is_one(value: object) -> None:
    assert taught_of(TAUGHT | {"p_value": value}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "kept"},
        {"judgement": "unsure"},
        {"inspection": "12"},
        {"score_after": float("inf")},
        {"threshold_before": None},
        {"file": None},
    ],
)
def test_a_picture_that_cannot_be_read_is_left_out(wrong: dict[str, Any]) -> None:
    (right,) = TAUGHT["turned"]
    found = taught_of(TAUGHT | {"turned": [right | wrong, 3, right]})
    assert found is not None
    assert [one.inspection for one in found.turned] == [12]


def test_what_is_kept_is_bounded() -> None:
    (turned,), (doubt,) = TAUGHT["turned"], TAUGHT["doubts"]
    much = {
        "turned": [turned] * 500,
        "doubts": [doubt | {"why": "w" * 10_000, "file": "f" * 10_000}] * 500,
        "kinds": {str(number): 1 for number in range(500)},
    }
    found = taught_of(TAUGHT | much)
    assert found is not None
    assert len(found.turned) == len(found.doubts) == len(found.kinds) == MOST_NAMED
    assert (len(found.doubts[0].why), len(found.doubts[0].file)) == (1_000, 256)


@pytest.mark.parametrize("kinds", [None, [], {"scratch": "12", "dent": -1}])
def test_kinds_that_cannot_be_read_are_left_out(kinds: object) -> None:
    found = taught_of(TAUGHT | {"kinds": kinds})
    assert found is not None
    assert found.kinds == {}
