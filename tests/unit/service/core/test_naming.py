import random

import pytest

from takt.core.naming import is_model_name, is_version, version_after, version_order

IN_ORDER = [
    *("0", "1", "2.0-rc.1", "2.0.0-rc.2", "2.0-rc.10", "2.0-rc10.a", "2", "2.0", "2.0.0"),
    *("2.0.0+cam1", "2.0.0+cam2", "2.0.1", "2.1", "2.10", "10", "2026.11.26"),
]


@pytest.mark.parametrize("name", [*IN_ORDER, "1.4.0+cam2", "2.0.0-rc.1+5", "2026-11-26", "9" * 64])
def test_a_number_and_a_semantic_version_are_versions(name: str) -> None:
    assert is_version(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "b", "v1", "latest", "1.", ".1", "1..2", "1.2.3.4", "01", "1.02", "-1", "+1", " 1"),
        *("1 ", "1\n", "1_2", "1-", "1+", "1.0-rc..1", "1+a+b", "1/2", "१", "9" * 65),
    ],
)
def test_nothing_else_is_one(name: str) -> None:
    assert not is_version(name)


def test_versions_are_ordered_by_their_numbers_and_candidates_come_before_their_release() -> None:
    mixed = IN_ORDER.copy()
    random.Random(3).shuffle(mixed)
    assert sorted(mixed, key=version_order) == IN_ORDER


@pytest.mark.parametrize("highest", IN_ORDER)
def test_the_version_after_one_is_higher_and_a_version(highest: str) -> None:
    after = version_after(highest)
    assert is_version(after)
    assert version_order(after) > version_order(highest)


def test_a_name_is_what_paths_and_labels_can_hold() -> None:
    assert is_model_name("pitting") and is_model_name("press-3_left.v2")
    assert not any(map(is_model_name, ("", ".hidden", "press 3", "press/3", "p\n", "x" * 65)))
