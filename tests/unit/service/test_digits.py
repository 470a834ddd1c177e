from __future__ import annotations

import math

import pytest

from takt.digits import apart


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((0.5, 0.5), ("0.5", "0.5")),
        ((1.0832, 1.0791), ("1.083", "1.079")),
        ((1.08004, 1.08001), ("1.08004", "1.08001")),
        ((1e-9, 2e-9), ("1e-09", "2e-09")),
        ((math.inf, 1.0), ("inf", "1")),
        ((12345.6, 0.5), ("12346", "0.5")),
        ((12345.1, 12345.2), ("12345.1", "12345.2")),
        ((1e30, -99999.0), ("1e+30", "-99999")),
    ],
)
def test_numbers_are_as_short_as_tells_them_apart(
    values: tuple[float, ...], texts: tuple[str, ...]
) -> None:
    assert apart(*values) == texts


def test_neighbours_among_floats_look_different() -> None:
    assert len(set(apart(1.08, math.nextafter(1.08, 2.0)))) == 2
