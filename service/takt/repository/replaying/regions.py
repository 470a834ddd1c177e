"""Whether regions are the same, though a map value near the threshold may fall on either side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from takt.core.domain import Box, Region


def largest_difference(recorded: Sequence[Region], replayed: Sequence[Region]) -> float | None:
    """The largest difference of the peaks of regions with the same box and area; None without.

    >>> one = Region(Box(0, 0, 4, 4), 12, 0.5)
    >>> largest_difference([one], [Region(Box(0, 0, 4, 4), 12, 0.75)])
    0.25
    """
    there = _by_place(replayed)
    found = [
        abs(peak - other)
        for place, peaks in _by_place(recorded).items()
        for peak, other in zip(peaks, there.get(place, ()), strict=False)
    ]
    return max(found, default=None)


def same_places(recorded: Sequence[Region], replayed: Sequence[Region]) -> bool:
    """Whether all regions have the same boxes and areas, in whatever order."""
    return sorted(map(_place, recorded)) == sorted(map(_place, replayed))


def lie_between(
    recorded: Sequence[Region],
    low: Sequence[Region],
    high: Sequence[Region],
    tolerance: float,
    most: int,
) -> bool:
    """Whether regions can be of a map that differs from another by no more than a tolerance.

    What exceeds the threshold in the one map exceeds in the other the threshold less the
    tolerance; and what exceeds the threshold and the tolerance there, exceeds the threshold here.
    So each region lies in one of `low`, and each of `high` in one of the regions.

    Args:
        recorded: regions of the one map.
        low: of the other map, at the threshold less the tolerance.
        high: of the other map, at the threshold and the tolerance.
        tolerance: largest difference of the maps.
        most: regions that an answer has at most; those with lower peaks are cut off.
    """
    return _lie_in(recorded, low, tolerance, most) and _lie_in(high, recorded, tolerance, most)


def _lie_in(inner: Sequence[Region], outer: Sequence[Region], tolerance: float, most: int) -> bool:
    # Where the outer ones were cut off, the lowest ones of the inner have lost theirs.
    cut = min((one.peak for one in outer), default=0.0) + tolerance if len(outer) >= most else None
    return all(
        any(
            _holds(other.box, one.box)
            and other.area_px >= one.area_px
            and other.peak >= one.peak - tolerance
            for other in outer
        )
        for one in inner
        if cut is None or one.peak > cut
    )


def _holds(outer: Box, inner: Box) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and outer.x + outer.width >= inner.x + inner.width
        and outer.y + outer.height >= inner.y + inner.height
    )


_Place = tuple[int, int, int, int, int]
"""A region's box and area."""


def _place(region: Region) -> _Place:
    box = region.box
    return box.x, box.y, box.width, box.height, region.area_px


def _by_place(regions: Iterable[Region]) -> dict[_Place, list[float]]:
    found: defaultdict[_Place, list[float]] = defaultdict(list)
    for region in regions:
        found[_place(region)].append(region.peak)
    return {place: sorted(peaks) for place, peaks in found.items()}
