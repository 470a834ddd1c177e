"""The lots of good pictures: what was made, or photographed, at one time.

Pictures of one lot are alike in what changes from lot to lot: material, tool, light. A model that
has seen others of a picture's lot scores it lower than it will score the next lot. So the pictures
of a lot are held apart together.
"""

from __future__ import annotations

import datetime
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from takt_export.errors import PicturesError

LotRule = Literal["auto", "none", "folder"] | re.Pattern[str]

FEWEST_LOTS = 3
"""Fewest lots that are held apart: without one of two, a bank would lack half of the pictures."""

FEWEST_A_LOT = 3
"""Fewest pictures a lot, on average, for which folders or days are taken for lots unasked."""

_DIGITS = re.compile(r"\d+")
_PARTED = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.](\d\d)[-_.](\d\d)(?!\d)")
_SHORT_DAY = re.compile(r"(?<!\d)(\d{6})[-_T](\d{6})(?!\d)")


@dataclass(frozen=True)
class Lots:
    """The lots of some pictures.

    Attributes:
        of: name of each picture's lot; empty where nothing tells lots.
        told_by: what tells them, in words.

    >>> lots = Lots(("mon", "tue", "mon"), "folders")
    >>> lots.count, lots.chosen([0, 2]).of, lots.text
    (2, ('mon', 'mon'), '2 lots (folders)')
    """

    of: tuple[str, ...] = ()
    told_by: str = ""

    @property
    def count(self) -> int:
        """Number of lots; 0 where nothing tells them."""
        return len({*self.of})

    @property
    def are_apart(self) -> bool:
        """Whether there are enough to hold each apart from the others."""
        return self.count >= FEWEST_LOTS

    @property
    def text(self) -> str:
        """How many there are and what tells them."""
        return f"{self.count} lot{'s' if self.count > 1 else ''} ({self.told_by})"

    def chosen(self, pictures: Sequence[int]) -> Lots:
        """The lots of some of the pictures, by their numbers."""
        return Lots(tuple(self.of[one] for one in pictures), self.told_by) if self.of else self


NO_LOTS = Lots()


def lots_of(pictures: Sequence[Path], rule: LotRule) -> Lots:
    """The lots of pictures by a rule.

    Args:
        pictures: their files.
        rule: `auto`: folders tell lots, or else days in the names, or else the days that the
            camera wrote. `none`: nothing does. `folder`: folders do. A pattern: what it captures
            of `folder/file`, or matches if it captures nothing.

    Raises:
        PicturesError: the pattern does not match a picture's name.

    >>> lots_of([Path("a/1.png"), Path("b/2.png")], "folder").of
    ('a', 'b')
    """
    match rule:
        case "none":
            return NO_LOTS
        case "folder":
            return _by_folder(pictures)
        case "auto":
            return _found(pictures)
        case pattern:
            return Lots(tuple(_captured(pattern, path) for path in pictures), "--lot")


def day_in_name(name: str) -> str | None:
    """The day that a file's name tells, as `2026-01-31`; None if it tells none, or several.

    >>> day_in_name("01_200828110135_332500.jpg"), day_in_name("part 20260131-7.png")
    ('2020-08-28', '2026-01-31')
    >>> day_in_name("cam1_2026-01-31T10.jpg"), day_in_name("12345678.png")
    ('2026-01-31', None)
    """
    found = {
        day
        for year, month, day_of_month in _PARTED.findall(name)
        if (day := _day(year, month, day_of_month))
    }
    found |= {day for digits, _ in _SHORT_DAY.findall(name) if (day := _short(digits))}
    found |= {day for digits in _DIGITS.findall(name) if (day := _of_digits(digits))}
    return found.pop() if len(found) == 1 else None


def _found(pictures: Sequence[Path]) -> Lots:
    """The first of folders, days in names and days of the camera that tells usable lots."""
    tries: tuple[Callable[[Sequence[Path]], Lots], ...] = (_by_folder, _by_name, _by_camera)
    for one in tries:
        lots = one(pictures)
        if lots.count > 1 and len(pictures) >= FEWEST_A_LOT * lots.count:
            return lots
    return NO_LOTS


def _by_folder(pictures: Sequence[Path]) -> Lots:
    folders = {path.parent for path in pictures}
    same = Counter(folder.name for folder in folders)
    # Two folders of one name are told by their parents' names.
    names = {
        folder: folder.name if same[folder.name] == 1 else f"{folder.parent.name}/{folder.name}"
        for folder in folders
    }
    return Lots(tuple(names[path.parent] for path in pictures), "folders")


def _by_name(pictures: Sequence[Path]) -> Lots:
    days = [day_in_name(path.stem) for path in pictures]
    return _of_days(days, "days in the names")


def _by_camera(pictures: Sequence[Path]) -> Lots:
    days: list[str | None] = []
    for path in pictures:
        days.append(_camera_day(path))
        if days[-1] is None:  # most files have none, and the others need not be opened
            return NO_LOTS
    return _of_days(days, "days that the camera wrote")


def _of_days(days: Sequence[str | None], told_by: str) -> Lots:
    known = tuple(day for day in days if day is not None)
    return Lots(known, told_by) if len(known) == len(days) else NO_LOTS


def _camera_day(path: Path) -> str | None:
    """The day at which the camera says a picture was taken; None if it does not say."""
    from PIL import ExifTags, Image  # which the extra `export` brings

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as picture:
            exif = picture.getexif()
            inner = exif.get_ifd(ExifTags.IFD.Exif)
            written = inner.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    except Exception:  # Pillow names none for malformed metadata.
        return None
    found = re.match(r"(\d{4}):(\d\d):(\d\d) ", str(written))
    return _day(*found.groups()) if found else None


def _of_digits(digits: str) -> str | None:
    """The day of a run of digits: of 8, 14 or 17 with the century, of 12 in either way."""
    match len(digits):
        case 8 | 14 | 17:
            return _long(digits)
        case 12:
            # 200828110135 is of the year 2020: as a long one it would be of month 28.
            return _short(digits) or _long(digits)
        case _:
            return None


def _long(digits: str) -> str | None:
    if digits[:2] not in ("19", "20"):
        return None
    return _day(digits[:4], digits[4:6], digits[6:8])


def _short(digits: str) -> str | None:
    return _day(f"20{digits[:2]}", digits[2:4], digits[4:6])


def _day(year: str, month: str, day: str) -> str | None:
    try:
        return datetime.date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _captured(pattern: re.Pattern[str], path: Path) -> str:
    name = f"{path.parent.name}/{path.name}"
    found = pattern.search(name)
    if found is None:
        raise PicturesError(
            f"{path}: --lot {pattern.pattern!r} does not match {name!r}; give a pattern that "
            "matches the folder and name of every good picture"
        )
    return "/".join(one or "" for one in found.groups() or (found.group(),))
