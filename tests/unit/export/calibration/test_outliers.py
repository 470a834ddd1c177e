from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from takt_export.calibration.outliers import UsualTail, outlying

SHAPES: dict[str, Callable[[np.random.Generator, int], NDArray[np.float64]]] = {
    "exponential": lambda draw, count: draw.exponential(size=count),
    "normal": lambda draw, count: draw.standard_normal(count),
    "gamma": lambda draw, count: draw.gamma(3, size=count),
}


@pytest.mark.parametrize("outliers", [0, 5_000])
def test_a_tail_is_told_by_the_usual_values_whatever_the_highest_are(outliers: int) -> None:
    values = np.random.default_rng(0).exponential(size=100_000)
    values[:outliers] = 1000
    found = UsualTail.of(values)
    assert found is not None
    # Outliers in a twentieth of the places move all quantiles, and these lie a quarter higher.
    assert found.value_at(0.01) == pytest.approx(-np.log(0.01), rel=0.3 if outliers else 0.03)
    assert found.holds(values) == (not outliers)


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("count", [50, 200])
def test_usual_pictures_are_seldom_taken_for_outliers(shape: str, count: int) -> None:
    draw = np.random.default_rng(0)
    taken = [outlying(SHAPES[shape](draw, count)).any() for _ in range(400)]
    assert np.mean(taken) < 0.12


@pytest.mark.parametrize("highest", [1, 3, 12])
def test_values_of_which_few_differ_have_no_outliers(highest: int) -> None:
    assert not outlying(np.array([0.7] * 50 + [9.0] * highest)).any()
    assert not outlying(np.array([*np.linspace(0, 1, 40), *[9.0] * highest]) // 1).any()


def test_fewer_than_thirty_values_have_no_outliers() -> None:
    values = np.array([*np.linspace(0, 1, 26), 40, 50, 60])
    assert not outlying(values).any()
    assert outlying(np.append(values, 0.5)).sum() == 3
