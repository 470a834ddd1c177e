"""Numbers for people, of which two that are compared never look equal unless they are."""

from __future__ import annotations

_ENOUGH = 17
"""Digits with which any two floats look different."""


def apart(*values: float, digits: int = 4) -> tuple[str, ...]:
    """Texts of numbers, with as few digits as tell different ones apart.

    >>> apart(0.5, 0.25)
    ('0.5', '0.25')
    >>> apart(1.08312, 1.07909, digits=3)
    ('1.083', '1.079')

    Args:
        values: the numbers.
        digits: the fewest that are shown.
    """
    different = len(set(values))
    for count in range(digits, _ENOUGH):
        texts = tuple(f"{value:.{count}g}" for value in values)
        if len(set(texts)) >= different:
            return texts
    return tuple(f"{value:.{_ENOUGH}g}" for value in values)
