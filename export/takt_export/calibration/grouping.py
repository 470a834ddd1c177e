"""Which good pictures belong together: those of one part (`--group`), and of one lot (`--lot`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from takt.core.bundles.bundle import LONGEST_PART
from takt_export.calibration.lots import LotRule, Lots, lots_of
from takt_export.calibration.near_copies import find_near_copies
from takt_export.calibration.parts import Parts
from takt_export.errors import PicturesError

Rule = Literal["auto", "none", "folder"] | re.Pattern[str]


@dataclass(frozen=True)
class Grouped:
    """What pictures have in common.

    Attributes:
        parts: what counts once for a threshold: each picture, or near-copies of one together.
        groups: pictures of which none is scored by what has seen another one.
        lots: the lots that they are of.
    """

    parts: Parts
    groups: Parts
    lots: Lots

    @property
    def apart(self) -> tuple[int, ...]:
        """A number for each picture; those of one number are held apart from the others together.

        It stands for the lot where there are lots enough, else for the group. A group lies in the
        lot of its first picture.

        >>> lots = Lots(("mon", "tue", "wed", "wed"), "folders")
        >>> Grouped(Parts.single(4), Parts.of("aabc"), lots).apart
        (0, 0, 1, 1)
        """
        return Parts.of(self.lots_apart).number or self.groups.number

    @property
    def lots_apart(self) -> tuple[str, ...]:
        """Name of the lot with which each picture is held apart; empty where lots are too few."""
        if not self.lots.are_apart:
            return ()
        first = self.groups.first
        return tuple(self.lots.of[first[group]] for group in self.groups.number)

    def chosen(self, pictures: Sequence[int]) -> Grouped:
        """The same of some of the pictures, by their numbers."""
        return Grouped(
            self.parts.chosen(pictures), self.groups.chosen(pictures), self.lots.chosen(pictures)
        )

    @property
    def text(self) -> str:
        """How many parts and lots the pictures are of, for people; empty if nothing tells."""
        pictures, count = len(self.groups.number), self.groups.count
        parts = f"of {count} part{'s' if count > 1 else ''}" if count < pictures else ""
        return "; ".join(filter(None, (parts, self.lots.text if self.lots.count else "")))


@dataclass(frozen=True)
class Grouping:
    r"""A way to tell which pictures belong together.

    Attributes:
        rule: which show one part. `auto`: near-copies, which count once. `none`: no two pictures.
            `folder`: those of one folder. A pattern: those for whose `folder/file` it captures the
            same, or matches the same if it captures nothing. Of a named part each picture counts.
        lot: which are of one lot, as `lots_of` takes it.

    >>> paths = [Path("a/part1_x.png"), Path("a/part2_x.png"), Path("b/part1_y.png")]
    >>> grouped = Grouping(re.compile(r"part(\d+)")).grouped(paths)
    >>> grouped.groups.number, grouped.parts.number
    ((0, 1, 0), (0, 1, 2))
    """

    rule: Rule = "auto"
    lot: LotRule = "auto"

    @property
    def is_guess(self) -> bool:
        """Whether the pictures are looked at, as nobody has said what they show."""
        return self.rule == "auto"

    def grouped(self, pictures: Sequence[Path]) -> Grouped:
        """What pictures have in common.

        Raises:
            PicturesError: a picture cannot be read, or a pattern does not match its name.
        """
        groups = self.groups_of(pictures)
        parts = groups if self.is_guess else Parts.single(len(pictures))
        return Grouped(parts, groups, lots_of(pictures, self.lot))

    def groups_of(self, pictures: Sequence[Path]) -> Parts:
        """The parts that pictures show.

        Raises:
            PicturesError: a picture cannot be read, or the pattern does not match its name.
        """
        match self.rule:
            case "auto":
                return find_near_copies(pictures)
            case "none":
                return Parts.single(len(pictures))
            case "folder":
                return Parts.of(path.parent for path in pictures)
            case pattern:
                return Parts.of(_captured(pattern, path) for path in pictures)

    def ids_of(self, pictures: Sequence[Path]) -> tuple[str, ...]:
        """The id of each picture's part; empty text where the rule names no parts.

        It is the folder's name, or what the pattern captures: the same for every picture of the
        part, by whichever camera.

        Raises:
            PicturesError: the pattern does not match a picture's name, or captures too much.
        """
        match self.rule:
            case "auto" | "none":
                return ("",) * len(pictures)
            case "folder":
                return tuple(_id((path.parent.name,), path) for path in pictures)
            case pattern:
                return tuple(_id(_captured(pattern, path), path) for path in pictures)

    def told(self, grouped: Grouped, tell: Callable[[str], None]) -> None:
        """Tells how many parts and lots there are, if fewer than pictures."""
        if grouped.lots.count:
            tell(f"the good pictures are of {grouped.lots.text}")
        pictures, count = len(grouped.groups.number), grouped.groups.count
        if count == pictures:
            return
        told = f"{pictures} good pictures show {count} part{'s' if count > 1 else ''}"
        if self.is_guess:
            told = (
                f"warning: {told}: near-copies count as one; the command's option group names "
                "parts, and as none counts each picture"
            )
        tell(told)


BY_LOOKS = Grouping()
EACH_ITS_OWN = Grouping("none", "none")


def _captured(pattern: re.Pattern[str], path: Path) -> tuple[str | None, ...]:
    name = f"{path.parent.name}/{path.name}"
    found = pattern.search(name)
    if found is None:
        raise PicturesError(
            f"{path}: --group {pattern.pattern!r} does not match {name!r}; give a pattern that "
            "matches the folder and name of every good picture"
        )
    return found.groups() or (found.group(),)


def _id(captured: tuple[str | None, ...], path: Path) -> str:
    found = "/".join(one or "" for one in captured)
    if len(found) > LONGEST_PART:
        raise PicturesError(
            f"{path}: --group takes {found!r} for the part's id, which has more than "
            f"{LONGEST_PART} characters; give a pattern that captures less"
        )
    return found
