"""Numbers as text, with as many digits as tell them apart."""

from __future__ import annotations

from typing import Final

_WRITTEN_OUT: Final = 1e15
"""From here on a number has an exponent, as one for `nothing reaches it` has."""


def short(value: float, digits: int = 4) -> str:
    """Text of a number with so many digits; larger whole parts are written out.

    >>> short(12345.6), short(0.123456)
    ('12346', '0.1235')
    """
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < _WRITTEN_OUT else text


def apart(*values: float, digits: int = 4) -> tuple[str, ...]:
    """Texts of numbers, with at least so many digits and as few as tell different ones apart.

    >>> apart(1.08312, 1.07909, digits=3)
    ('1.083', '1.079')
    """
    texts = tuple(short(value, digits) for value in values)
    alike = digits < 17 and len(set(texts)) < len(set(values))
    return apart(*values, digits=digits + 1) if alike else texts
