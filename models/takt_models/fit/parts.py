"""Pictures in a random order in which those of one part stay together."""

from __future__ import annotations

from collections.abc import Sequence


def kept_together(order: Sequence[int], part: Sequence[int] | None) -> list[list[int]]:
    """Pictures by part, the parts in the order in which `order` first meets one of their pictures.

    >>> kept_together([2, 0, 1, 3], part=[0, 1, 0, 2])
    [[2, 0], [1], [3]]

    Args:
        order: the numbers of all pictures.
        part: the part of each picture; each is a part of its own if None.
    """
    parts: dict[int, list[int]] = {}
    for picture in order:
        parts.setdefault(picture if part is None else part[picture], []).append(picture)
    return [*parts.values()]


def cut_between(parts: Sequence[Sequence[int]], at: int) -> int:
    """The number of pictures in the first parts that have `at` together, or a few more.

    >>> cut_between([[2, 0], [1], [3]], at=1)
    2
    """
    count = 0
    for part in parts:
        if count >= at:
            break
        count += len(part)
    return count
