"""A folder of judged pictures to teach with, and what somebody has said of each."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.findings import PictureSizes
from takt.core.domain import Box
from takt.core.judged import JudgedFile, read_judged
from takt_export.errors import LearnError
from takt_export.learning.stages import Stages
from takt_export.pictures import check_pictures, list_pictures, picture_size, read_picture
from takt_models.checkpoints.errors import printable
from takt_models.checkpoints.facts import SizeRange
from takt_models.checkpoints.picture_digest import picture_digest

PASSED = "passed"
"""Folder of pictures that passed and that nobody has judged; they only show what turns."""

_MOST_NAMED = 5
"""Most names of other models that a warning has."""


@dataclass(frozen=True)
class TeachingPicture:
    """A picture that somebody has judged.

    Attributes:
        path: its file.
        judged: what was said of it.
        width: of the picture, in pixels; of the upright one where it has a box.
        height: of it.
    """

    path: Path
    judged: JudgedFile
    width: int
    height: int

    def cells_in_box(self, rows: int, columns: int) -> NDArray[np.bool_] | None:
        """Which cells of a grid over the picture its box touches, bool; None if it has no box."""
        box = self.judged.box
        if box is None:
            return None
        inside = np.zeros((rows, columns), np.bool_)
        across = _touched(box.x, box.width, self.width, columns)
        inside[_touched(box.y, box.height, self.height, rows), across] = True
        return inside

    def holds(self, box: Box) -> bool:
        """Whether a box lies within the picture."""
        return box.x + box.width <= self.width and box.y + box.height <= self.height


@dataclass(frozen=True)
class JudgedPictures:
    """What there is to teach with.

    Attributes:
        folder: of the pictures.
        defects: judged defects, each once.
        good: pictures judged good, each once.
        passed: pictures that passed and that nobody has judged.
        disputed: pictures that one reviewer calls good and another one a defect, left out.
    """

    folder: Path
    defects: tuple[TeachingPicture, ...]
    good: tuple[TeachingPicture, ...]
    passed: tuple[Path, ...]
    disputed: tuple[TeachingPicture, ...] = ()

    @property
    def others(self) -> tuple[Path, ...]:
        """The pictures of good parts, judged ones first."""
        return (*(one.path for one in self.good), *self.passed)

    def unlearned(self, seen: Sequence[str]) -> JudgedPictures:
        """Without the pictures of good parts that a fit has seen, by their `picture_digest`."""
        known = frozenset(seen)
        return replace(
            self,
            good=tuple(one for one in self.good if picture_digest(one.path) not in known),
            passed=tuple(path for path in self.passed if picture_digest(path) not in known),
        )

    @property
    def kinds(self) -> dict[str, int]:
        """Number of defects of each kind, of no named one under an empty name."""
        return dict(Counter(one.judged.kind or "" for one in self.defects))

    def text(self) -> str:
        """The pictures for people."""
        others = f", {len(self.passed)} that passed" if self.passed else ""
        defects = "defect" if len(self.defects) == 1 else "defects"
        return f"{len(self.defects)} judged {defects}, {len(self.good)} judged good{others}"


def judged_pictures(folder: Path, stages: Stages) -> JudgedPictures:
    """The pictures of a folder to teach with; a file that is there twice counts once.

    Raises:
        ConfigurationError: the folder cannot be understood.
        LearnError: there is no defect, a picture is another one than was judged, is judged both
            ways, or lacks what its box marks.
        PicturesError: a picture cannot be read.
    """
    found: dict[str, TeachingPicture] = {}
    listed = read_judged(folder)
    for number, one in enumerate(listed, 1):
        picture = _judged_picture(folder, one)
        known = found.setdefault(one.sha256, picture)
        if known.judged.judgement != one.judgement:
            raise LearnError(
                f"{known.judged.file} and {one.file} are one picture, judged "
                f"{known.judged.judgement} and {one.judgement}: take away the wrong one"
            )
        stages.at(number, len(listed), "pictures")
    agreed = [one for one in found.values() if not one.judged.disputed]
    defects = tuple(one for one in agreed if one.judged.judgement == "defect")
    if not defects:
        raise LearnError(
            f"{folder} has no judged defect: judge what was missed first, in the console or by "
            "`takt records judge`"
        )
    beside = folder / PASSED
    passed = list_pictures(beside) if beside.is_dir() and any(beside.iterdir()) else ()
    known_digests = {picture_digest(one.path) for one in found.values()}
    passed = tuple(path for path in passed if picture_digest(path) not in known_digests)
    check_pictures(passed)
    good = tuple(one for one in agreed if one.judged.judgement == "good")
    disputed = tuple(one for one in found.values() if one.judged.disputed)
    return JudgedPictures(folder, defects, good, passed, disputed)


def tell_of_strange(
    judged: JudgedPictures, model: str, sizes: SizeRange | None, tell: Callable[[str], None]
) -> None:
    """Tells of judged pictures that may show no part of a model, as those of another server may.

    Args:
        judged: pictures to teach with.
        model: name of the model.
        sizes: of the pictures that it was learned from; None if they are not known.
        tell: takes a line about them.
    """
    pictures = (*judged.defects, *judged.good)
    names = Counter(one.judged.model for one in pictures if one.judged.model not in (None, model))
    if names:
        listed = ", ".join(printable(str(name)) for name, _ in names.most_common(_MOST_NAMED))
        tell(
            f"warning: {names.total()} of {len(pictures)} pictures were judged for a model of "
            f"another name ({listed}): teach without them, unless they show the same part"
        )
    if sizes is None:
        return
    learned = PictureSizes(**asdict(sizes))
    # A picture with a box is known upright, and the others as they are stored.
    others = [
        one
        for one in pictures
        if not (learned.holds(one.width, one.height) or learned.holds(one.height, one.width))
    ]
    if others:
        first = others[0]
        tell(
            f"warning: {len(others)} of {len(pictures)} judged pictures have another size than "
            f"those that the model was learned from, such as {printable(first.judged.file)} with "
            f"{first.width} x {first.height} pixels: teach with pictures as the line takes them"
        )


def _judged_picture(folder: Path, judged: JudgedFile) -> TeachingPicture:
    path = folder / judged.file
    width, height = picture_size(path)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != judged.sha256:
            raise LearnError(f"{path} is another picture than was judged: write the folder anew")
    if judged.box is not None:
        # It lies on the upright picture, and the header has the sides as they are stored.
        height, width, _ = read_picture(path).shape
    picture = TeachingPicture(path, judged, width, height)
    if judged.box is not None and not picture.holds(judged.box):
        raise LearnError(
            f"{path} has {width} x {height} pixels, and its box lies outside: correct it"
        )
    return picture


def _touched(start: int, length: int, pixels: int, cells: int) -> slice:
    first = min(cells - 1, start * cells // pixels)
    return slice(first, max(first + 1, math.ceil((start + length) * cells / pixels)))
