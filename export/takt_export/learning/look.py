"""A first look at the good pictures: how many, how large, and which are copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from takt_export.calibration.grouping import Grouped, Grouping
from takt_export.calibration.parts import Parts
from takt_export.calibration.pictures_to_use import distinct, refuse_in_both
from takt_export.learning.stages import Stages
from takt_export.pictures import list_pictures, picture_size


@dataclass(frozen=True)
class GoodPictures:
    """Good pictures to learn from.

    Attributes:
        digests: each picture with its digest; of copies only the first.
        copies: number of files that were left out as copies.
        sizes: number of pictures of each width and height, the most frequent first.
        grouped: what the pictures have in common.
    """

    digests: dict[Path, str]
    copies: int
    sizes: tuple[tuple[int, int, int], ...]
    grouped: Grouped

    @property
    def parts(self) -> Parts:
        """What counts once for a threshold."""
        return self.grouped.parts

    @property
    def paths(self) -> tuple[Path, ...]:
        """The pictures."""
        return tuple(self.digests)

    def text(self) -> str:
        """The pictures for people: `210 pictures, 565 x 230`."""
        width, height, count = self.sizes[0]
        several = f" ({count}) and {len(self.sizes) - 1} other sizes" if self.sizes[1:] else ""
        copies = f"{self.copies} cop{'y' if self.copies == 1 else 'ies'} left out"
        pictures = "picture" if len(self.digests) == 1 else "pictures"
        text = f"{len(self.digests)} {pictures}, {width} x {height}{several}"
        if common := self.grouped.text:
            text += f"; {common}"
        return f"{text}; {copies}" if self.copies else text


def look_at_pictures(
    good: Path, defects: Sequence[Path], grouping: Grouping, stages: Stages
) -> GoodPictures:
    """Finds the good pictures, reads the first bytes of each, and tells which show one part.

    Raises:
        PicturesError: there is none, one cannot be read or is no picture, or is defective too, or
            the id of its part is too long.
    """
    found = list_pictures(good)
    digests = distinct(found, lambda _: None)
    refuse_in_both(digests, defects)
    grouping.ids_of([*digests])  # refuses what is no part's id, before a fit that would be lost
    sizes: Counter[tuple[int, int]] = Counter()
    for number, path in enumerate(digests, 1):
        sizes[picture_size(path)] += 1
        stages.at(number, len(digests), "pictures")
    for path in defects:
        picture_size(path)
    return GoodPictures(
        digests,
        len(found) - len(digests),
        tuple((*size, count) for size, count in sizes.most_common()),
        grouping.grouped([*digests]),
    )
