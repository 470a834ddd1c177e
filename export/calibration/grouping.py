"""The ways to tell which pictures show one part: `--group`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from export.calibration.near_copies import find_near_copies
from export.calibration.parts import Parts
from export.errors import PicturesError
from service.core.bundles.bundle import LONGEST_PART

Rule = Literal["auto", "none", "folder"] | re.Pattern[str]


@dataclass(frozen=True)
class Grouping:
    r"""A way to tell which pictures show one part.

    Attributes:
        rule: `auto`: near-copies do. `none`: no two pictures do. `folder`: those of one folder do.
            A pattern: those for whose `folder/file` it captures the same, or matches the same if it
            captures nothing.

    >>> lots = Grouping(re.compile(r"part(\d+)"))
    >>> lots.parts_of([Path("a/part1_x.png"), Path("a/part2_x.png"), Path("b/part1_y.png")]).number
    (0, 1, 0)
    """

    rule: Rule = "auto"

    @property
    def is_guess(self) -> bool:
        """Whether the pictures are looked at, as nobody has said what they show."""
        return self.rule == "auto"

    def parts_of(self, pictures: Sequence[Path]) -> Parts:
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

    def told(self, parts: Parts, tell: Callable[[str], None]) -> None:
        """Tells how many parts there are, if fewer than pictures."""
        pictures = len(parts.number)
        if parts.count == pictures:
            return
        told = f"{pictures} good pictures show {parts.count} part{'s' if parts.count > 1 else ''}"
        if self.is_guess:
            told = (
                f"warning: {told}: near-copies count as one; the command's option group names "
                "parts, and as none counts each picture"
            )
        tell(told)


BY_LOOKS = Grouping()
EACH_ITS_OWN = Grouping("none")


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
