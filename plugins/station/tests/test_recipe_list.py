"""Which recipe a code names, and when it names none."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.station.tests.controllers import codes
from takt_station.inspector import StationRecipe
from takt_station.recipe_list import NoneNamed, RecipeList

PLATE = StationRecipe(1, "plate", ("top",), codes=("AB-*", "AB", "A[CD]-?"))
LID = StationRecipe(2, "lid", ("top",), codes=("CD-*",))
PLAIN = StationRecipe(3, "plain", ("top",))
KNOWN = RecipeList([PLATE, LID, PLAIN], ["top"])


def why(known: RecipeList, code: str | None) -> str:
    """Why a code names none."""
    found = known.named_by(code)
    assert isinstance(found, NoneNamed)
    assert found.number == 0
    return found.why


@pytest.mark.parametrize(
    ("code", "recipe"),
    [("AB-17", PLATE), ("AB-", PLATE), ("AB", PLATE), ("AC-7", PLATE), ("CD-17", LID)],
)
def test_a_code_names_the_recipe_one_of_whose_patterns_it_matches(
    code: str, recipe: StationRecipe
) -> None:
    assert KNOWN.named_by(code) == recipe


@pytest.mark.parametrize("code", ["ab-17", "XAB-17", "A", "AC-77", "AE-7", "CD"])
def test_a_code_is_matched_as_a_whole_and_by_its_case(code: str) -> None:
    assert why(KNOWN, code) == f"no recipe has the code {code}"


def test_a_code_of_two_recipes_names_none() -> None:
    known = RecipeList([PLATE, StationRecipe(4, "any", ("top",), codes=("*-17",))], ["top"])

    assert why(known, "AB-17") == "several recipes have the code AB-17: plate, any"
    assert known.named_by("AB-18") == PLATE


def test_two_patterns_of_one_recipe_are_one_recipe() -> None:
    plate = StationRecipe(1, "plate", ("top",), codes=("A*", "AB*"))

    assert RecipeList([plate], ["top"]).named_by("AB") == plate


def test_no_code_says_nothing_of_recipes() -> None:
    assert KNOWN.named_by("") is None
    assert RecipeList(None, ["top"]).named_by("") is None


def test_where_no_recipe_has_a_pattern_codes_say_nothing() -> None:
    known = RecipeList([PLAIN], ["top"])

    assert known.named_by("AB-17") is None
    assert known.named_by(None) is None


def test_a_code_that_cannot_be_read_names_none() -> None:
    assert why(KNOWN, None) == "its code cannot be read, as that is no printable ASCII"


def test_a_code_names_none_as_long_as_nobody_has_said_which_recipes_there_are() -> None:
    known = RecipeList(None, ["top"])

    assert why(known, "AB-17") == why(known, None) == "the recipes of the server are not known yet"


def test_a_recipe_with_a_view_that_no_camera_takes_is_not_named() -> None:
    two = StationRecipe(1, "plate", ("top", "side", "back"), codes=("*",))

    assert why(RecipeList([two], ["top"]), "AB") == (
        "recipe plate has views without a camera: back, side"
    )


@given(codes, st.lists(st.lists(codes.filter(bool), max_size=3), max_size=3))
def test_any_text_may_be_a_pattern_and_a_list_says_the_same_when_it_is_asked_again(
    code: str, patterns: list[list[str]]
) -> None:
    recipes = [
        StationRecipe(number, f"r{number}", ("top",), codes=tuple(some))
        for number, some in enumerate(patterns, 1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = RecipeList(recipes, ["top"])
    first = known.named_by(code)
    known.named_by("another")
    assert known.named_by(code) == first
    assert known.named_by(code) == first
