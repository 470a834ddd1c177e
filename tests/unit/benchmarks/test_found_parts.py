from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.parts.found_parts import (
    ALL,
    HALVES,
    WAYS,
    Made,
    PartsOfViews,
    Rate,
    Way,
    choices,
    has_failed,
    rates_of,
    table,
)
from benchmarks.patchcore.splits import Split
from service.core.bundles.bundle import Bundle


def split(number: int, fitted: int = 200) -> Split:
    """Noise; each defect is higher than any of it."""
    rng = np.random.default_rng(number)

    def drawn(count: int, above: float = 0) -> list[list[float]]:
        return (rng.normal(size=(2, count)) + above).tolist()

    return Split(number, drawn(fitted), drawn(60), drawn(10, above=50), 0.1)


def test_of_a_part_whose_views_are_of_different_sets_the_first_one_shows_the_defect() -> None:
    parts = PartsOfViews.apart([split(0), split(1, fitted=120)])
    assert [one.shape for one in parts.good] == [(2, 200), (2, 120)]
    assert [one.shape for one in parts.judged] == [(2, 20 * 60)] * 2
    first, second = parts.defects
    assert first.shape == second.shape == (2, 20 * 10)
    assert (first > 25).all() and (second < 25).all()
    assert parts.known == 120


def test_windows_of_one_picture_are_views_of_one_part() -> None:
    parts = PartsOfViews.alike([split(0), split(1)])
    assert [one.tolist() for one in parts.good] == [
        np.float32(split(number).good).tolist() for number in (0, 1)
    ]
    assert [one.shape for one in parts.defects] == [(2, 10)] * 2
    assert len(HALVES) == 2


def test_every_way_that_the_pictures_allow_finds_all_that_is_clear(bundle: Bundle) -> None:
    sets = {
        name: [{window.name: split(seed + number, fitted) for window in ALL} for number in range(3)]
        for seed, (name, fitted) in zip(
            (0, 10, 20), (("a", 200), ("b", 200), ("c", 99)), strict=True
        )
    }
    rates = [*rates_of(sets, bundle)]
    assert all(one.found == 1 for one in rates)

    def ways(name: str, made: Made, views: int, alpha: float) -> list[Way]:
        case = (name, "fold", made, views, alpha)
        return [
            one.way
            for one in rates
            if (one.name, one.scored, one.made, one.views, one.alpha) == case
        ]

    assert ways("a", "apart", 2, 0.01) == [*WAYS]
    assert ways("b", "apart", 2, 0.01) == ["tail", "quantiles"]
    assert ways("c", "alike", 4, 0.01) == ["tail", "quantiles"]
    # Of three sets no part has four views.
    assert ways("a", "apart", 4, 0.05) == []
    # 36 of 60 judged pictures calibrate where some are held back.
    held = {(one.views, one.alpha, one.way) for one in rates if one.scored == "held"}
    assert held == {(views, 0.05, way) for views in (2, 4) for way in ("tail", "quantiles")}
    assert len([*table(rates)]) > 2


def test_a_bank_that_sees_all_further_good_pictures_as_odd_has_failed() -> None:
    usual = split(0)
    assert not has_failed(usual)
    assert has_failed(replace(usual, judged=usual.defects))


def rate(name: str, way: Way, rejected: float, found: float) -> Rate:
    return Rate(name, "fold", "apart", 2, 0.05, way, rejected, found)


def test_what_is_found_counts_less_what_is_rejected_beyond_alpha() -> None:
    assert rate("a", "own", 0.07, 0.5).worth == pytest.approx(0.48)
    assert rate("a", "own", 0.01, 0.5).worth == 0.5


def test_each_set_is_left_out_of_the_choice_once() -> None:
    """One set gains so much that without it the others would choose otherwise."""
    rates = [
        rate("a", "own", 0.05, 0.5),
        rate("a", "share", 0.05, 0.9),
        rate("b", "own", 0.05, 0.5),
        rate("b", "share", 0.04, 0.4),
    ]
    assert [*choices(rates, "fold", "own", "share")][2:] == [
        "| none | share | -0.50, +15.00, +15.00 |",
        "| a | own | +0.00, +40.00, +40.00 |",
        "| b | share | -1.00, -10.00, -10.00 |",
    ]
