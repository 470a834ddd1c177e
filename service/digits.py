"""Numbers as text, with as many digits as tell them apart."""

from __future__ import annotations


def apart(*values: float, digits: int = 4) -> tuple[str, ...]:
    """Texts of numbers, with at least so many digits and as few as tell different ones apart.

    >>> apart(1.08312, 1.07909, digits=3)
    ('1.083', '1.079')
    """
    texts = tuple(f"{value:.{digits}g}" for value in values)
    alike = digits < 17 and len(set(texts)) < len(set(values))
    return apart(*values, digits=digits + 1) if alike else texts
