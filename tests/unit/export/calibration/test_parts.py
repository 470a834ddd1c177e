from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles.conformal import choose_alpha, conformal_threshold
from takt.core.errors import CalibrationError
from takt_export.calibration.grouping import EACH_ITS_OWN, Grouping
from takt_export.calibration.parts import Parts
from takt_export.errors import PicturesError

PATHS = [Path(f"lot/{name}") for name in ("p1_a.png", "p1_b.png", "p2_a.png")]


def rejected(parts: int, copies: int, alpha: float, *, counted_once: bool) -> float:
    """Mean share of further pictures above the threshold, over 500 calibrations.

    Scores are those of parts, each seen a little differently in every picture.
    """
    rng = np.random.default_rng(0)
    number = np.repeat(np.arange(parts), copies)
    above = []
    for _ in range(500):
        scores = (rng.normal(size=parts)[number] + rng.normal(0, 0.05, len(number))).astype("f4")
        if counted_once:
            scores = Parts(tuple(number.tolist())).highest(scores)
        further = rng.normal(size=500) + rng.normal(0, 0.05, 500)
        above.append((further > conformal_threshold(scores, alpha)).mean())
    return float(np.mean(above))


def test_of_ten_parts_with_twenty_copies_1_percent_is_refused_and_an_eleventh_named() -> None:
    parts = Parts.of(picture // 20 for picture in range(200))
    with pytest.raises(CalibrationError, match=r"pictures: 10; .* alpha of 0\.091 or more"):
        choose_alpha(0.01, parts.count)
    assert choose_alpha(None, parts.count).value == 0.091


def test_copies_that_count_once_keep_the_promise_and_those_that_count_each_break_it() -> None:
    assert rejected(150, 5, 0.01, counted_once=True) <= 0.011
    assert rejected(10, 20, 0.01, counted_once=False) > 0.08


def test_a_part_has_its_highest_score_and_the_picture_that_has_it() -> None:
    parts = Parts((0, 1, 0, 1))
    scores = np.array([1, 5, 3, 2], np.float32)
    assert parts.highest(scores).tolist() == [3, 5]
    assert parts.of_highest(scores) == [2, 1]


def test_the_parts_of_some_pictures_are_counted_anew() -> None:
    assert Parts((0, 1, 1, 2)).chosen([3, 1, 2]).number == (0, 1, 1)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("none", (0, 1, 2)),
        ("folder", (0, 0, 0)),
        (re.compile(r"p\d"), (0, 0, 1)),
        (re.compile(r"p(\d)_"), (0, 0, 1)),
        (re.compile(r"^(.+)/.*_(.)\."), (0, 1, 0)),
    ],
    ids=["none", "folder", "match", "captured", "several captured"],
)
def test_parts_are_told_by_folder_or_pattern(rule: object, expected: tuple[int, ...]) -> None:
    assert Grouping(rule).groups_of(PATHS).number == expected  # type: ignore[arg-type]


def test_a_pattern_that_does_not_match_names_the_picture() -> None:
    with pytest.raises(
        PicturesError, match=r"p1_a\.png: --group 'q\(\.\)' does not match 'lot/p1_a"
    ):
        Grouping(re.compile("q(.)")).groups_of(PATHS)


def test_pictures_that_each_show_a_part_of_their_own_need_no_look() -> None:
    assert EACH_ITS_OWN.groups_of(PATHS).count == 3


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("auto", ("", "", "")),
        ("none", ("", "", "")),
        ("folder", ("lot", "lot", "lot")),
        (re.compile(r"p\d"), ("p1", "p1", "p2")),
        (re.compile(r"p(\d)_"), ("1", "1", "2")),
        (re.compile(r"^(.+)/p(\d)(x?)"), ("lot/1/", "lot/1/", "lot/2/")),
        (re.compile(r"p1|p(\d)"), ("", "", "2")),
    ],
    ids=["auto", "none", "folder", "match", "captured", "several captured", "nothing captured"],
)
def test_a_part_s_id_is_what_tells_its_pictures(rule: object, expected: tuple[str, ...]) -> None:
    assert Grouping(rule).ids_of(PATHS) == expected  # type: ignore[arg-type]


def test_an_id_that_is_too_long_names_the_picture() -> None:
    with pytest.raises(PicturesError, match=r"x\.png: --group takes 'x+' .* more than 64"):
        Grouping(re.compile("x+")).ids_of([Path("lot") / f"{'x' * 65}.png"])
