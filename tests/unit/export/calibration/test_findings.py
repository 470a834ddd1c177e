from __future__ import annotations

import dataclasses
from typing import Any, get_args

import pytest

from takt.core.bundles.findings import Finding, FitRecord, PictureSizes, SizeResult
from takt.core.domain import FindingCode
from takt_export.calibration.findings import RULES, Evidence, advice, find
from takt_export.calibration.odd_pictures import OddPictures
from takt_export.calibration.two_groups import TwoGroups

ODD = OddPictures(("good/017.png",), 25, 1.016, 0.773)
TWO = TwoGroups(80, 0.5, 20, 9.25, ("d/9.png", "d/8.png", "d/7.png", "d/6.png"))
SIZES = PictureSizes(least_width=640, most_width=640, least_height=480, most_height=480)
GOOD = Evidence(
    family="efficientad",
    fit=FitRecord(steps=1500, pictures=150, sizes=SIZES),
    good=50,
    rejected=1,
    copies=0,
    repeated=0,
    parts=50,
    sizes=((640, 480),) * 50,
    defects=20,
    missed=9,
    made_up=tuple(
        SizeResult(side_px=side, defects=18, found=found)
        for side, found in ((17, 2), (35, 9), (69, 14), (139, 18))
    ),
)


def codes(**changes: Any) -> list[str]:
    return [one.code for one in find(dataclasses.replace(GOOD, **changes))]


def made_up(*found: int) -> tuple[SizeResult, ...]:
    return tuple(
        SizeResult(side_px=8 << i, defects=18, found=count) for i, count in enumerate(found)
    )


def fit(**changes: Any) -> FitRecord:
    return GOOD.fit.model_copy(update=changes)


def test_nothing_speaks_against_a_good_model() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fit": fit(steps=50)}, "few_steps"),
        ({"fit": fit(pictures=5)}, "few_pictures"),
        ({"missed": 10}, "defects_missed"),
        ({"rejected": 25}, "good_rejected"),
        ({"repeated": 3}, "duplicate_pictures"),
        ({"copies": 10}, "duplicate_pictures"),
        ({"sizes": ((1280, 960),) * 50}, "other_size"),
        ({"made_up": made_up(0, 0, 0, 1), "defects": 0, "missed": 0}, "made_up_missed"),
        ({"odd": ODD}, "odd_picture"),
        ({"groups": TWO}, "odd_picture"),
    ],
)
def test_each_finding_has_its_rule(changes: dict[str, Any], expected: str) -> None:
    assert codes(**changes) == [expected]


@pytest.mark.parametrize(
    ("alpha", "named"),
    [(None, " (0.05 or 0.1)"), (0.01, " (0.05 or 0.1)"), (0.05, " (0.1)"), (0.2, "")],
)
def test_an_alpha_is_advised_that_is_higher_than_the_model_s(
    alpha: float | None, named: str
) -> None:
    (found,) = find(dataclasses.replace(GOOD, missed=10, alpha=alpha))
    assert f"; a higher alpha{named} finds more" in found.remedy


WORST = dataclasses.replace(
    GOOD,
    fit=fit(steps=50, pictures=5),
    missed=20,
    rejected=50,
    repeated=50,
    sizes=((64, 64),) * 50,
    made_up=made_up(0, 0, 0, 0),
    odd=ODD,
)


def test_every_code_has_a_rule_with_a_text_and_a_remedy() -> None:
    found = find(WORST)
    assert len(RULES) == len(get_args(FindingCode))
    assert [one.code for one in found] == [*get_args(FindingCode)]
    assert all(one.text and one.remedy for one in found)


@pytest.mark.parametrize("family", ["patchcore", "efficientad"])
def test_no_remedy_speaks_of_options_as_a_command_line_has_them(family: str) -> None:
    """Whoever learns by the console or the API has fields instead."""
    found = find(dataclasses.replace(WORST, family=family))
    assert len(found) > 5
    assert not [one.remedy for one in found if "--" in one.remedy or "takt fit" in one.remedy]


@pytest.mark.parametrize(
    ("family", "alpha", "codes", "advised"),
    [
        ("patchcore", 0.01, ["made_up_missed"], [("alpha", 0.05)]),
        ("patchcore", 0.05, ["defects_missed"], [("alpha", 0.1)]),
        ("patchcore", 0.2, ["made_up_missed"], []),
        ("patchcore", None, ["made_up_missed"], []),
        ("patchcore", 0.01, ["few_pictures", "odd_picture"], []),
        ("efficientad", 0.01, ["few_steps"], [("family", "patchcore")]),
        (
            "efficientad",
            0.01,
            ["few_steps", "made_up_missed"],
            [("family", "patchcore"), ("alpha", 0.05)],
        ),
    ],
)
def test_settings_that_a_remedy_names_are_told_to_programs(
    family: str, alpha: float | None, codes: list[Any], advised: list[tuple[str, Any]]
) -> None:
    found = [Finding(code=code, text="", remedy="") for code in codes]
    told = advice(family, alpha, found)
    assert [(one["setting"], one["value"]) for one in told] == advised


def test_what_is_not_known_of_a_fit_is_no_finding() -> None:
    assert codes(fit=FitRecord(), made_up=(), defects=0, missed=0) == []


def test_a_family_without_steps_needs_none() -> None:
    assert codes(family="patchcore", fit=fit(steps=0)) == []


def test_a_copy_or_two_among_many_pictures_are_no_finding() -> None:
    assert codes(repeated=1, copies=1) == []


def test_pictures_within_a_tenth_of_the_fits_sizes_are_like_them() -> None:
    assert codes(sizes=((600, 500),) * 50) == []
    assert codes(sizes=((480, 640),) * 50) == ["other_size"]


def test_a_model_that_finds_a_fifth_of_the_made_up_defects_is_none_to_refuse() -> None:
    assert codes(made_up=made_up(0, 0, 3, 12), defects=0, missed=0) == []
    assert codes(made_up=made_up(0, 0, 2, 12), defects=0, missed=0) == ["made_up_missed"]


def test_a_model_that_finds_half_of_the_given_defects_is_not_told_of_made_up_ones() -> None:
    nothing = made_up(0, 0, 0, 0)
    assert codes(made_up=nothing, defects=20, missed=10) == ["defects_missed"]
    assert codes(made_up=nothing, defects=20, missed=9) == []
    # So few say nothing.
    assert codes(made_up=nothing, defects=9, missed=0) == ["made_up_missed"]


def test_an_odd_picture_is_named_with_what_the_threshold_would_be() -> None:
    (found,) = find(dataclasses.replace(GOOD, odd=ODD))
    assert "1 of 25 good pictures scores far above the others (good/017.png)" in found.text
    assert "the threshold of the score is 1.016 with it, and would be 0.773 without" in found.text
    assert found.remedy.startswith("look at it: ")


def test_odd_pictures_are_named_up_to_a_score() -> None:
    names = tuple(f"{number}.png" for number in range(21))
    (found,) = find(dataclasses.replace(GOOD, odd=OddPictures(names, 99, 2.0, 1.0)))
    assert f"21 of 99 good pictures score far above the others ({', '.join(names[:20])}, …)" in (
        found.text
    )


def test_outliers_are_told_to_be_rejected_and_not_to_raise_the_threshold() -> None:
    outliers = OddPictures(("3.png", "7.png"), 99, 1.0, 1.0, left_out=True)
    (found,) = find(dataclasses.replace(GOOD, odd=outliers))
    assert found.text.endswith("(3.png, 7.png): the thresholds are by the others, and reject them")
    assert found.remedy.endswith("if these are good, give more pictures like them")


def test_of_two_groups_with_odd_pictures_among_them_these_are_told() -> None:
    (found,) = find(dataclasses.replace(GOOD, odd=ODD, groups=TWO))
    assert "good/017.png" in found.text


def test_two_groups_are_told_with_examples_of_the_higher_one() -> None:
    (found,) = find(dataclasses.replace(GOOD, groups=TWO))
    assert "two groups, 80 around 0.5 and 20 around 9.25 (such as d/9.png, d/8.png, d/7.png)" in (
        found.text
    )


def test_an_odd_picture_whose_file_is_not_known_is_told_too() -> None:
    former = dataclasses.replace(ODD, names=(None,))
    (found,) = find(dataclasses.replace(GOOD, odd=former))
    assert "(of a former fit)" in found.text
