"""What a family is asked for when it is taught by judged pictures, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.learning.stages import Stages
from models.checkpoints.facts import Checkpoint
from models.fit.device import Compute
from service.core.bundles.thresholds import ThresholdPair
from service.core.domain import Box
from service.core.judged import JudgedFile


@dataclass(frozen=True)
class TeachingPicture:
    """A picture that somebody has judged.

    Attributes:
        path: its file.
        judged: what was said of it.
        width: of the upright picture, in pixels.
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
class Verdicts:
    """What a version says of n pictures.

    Attributes:
        score: float32 [n].
        anomalous: [n].
    """

    score: NDArray[np.float32]
    anomalous: NDArray[np.bool_]

    @classmethod
    def at(
        cls, thresholds: ThresholdPair, score: NDArray[np.float32], peak: NDArray[np.float32]
    ) -> Verdicts:
        """The verdicts on scores [n] and the maps' highest values [n]."""
        return cls(score, (score > thresholds.image) | (peak > thresholds.pixel))

    @property
    def found(self) -> int:
        """Number of the pictures that are rejected."""
        return int(self.anomalous.sum())


@dataclass(frozen=True)
class TurnedVerdicts:
    """What is said of the same n pictures before and after.

    Attributes:
        before: by the version that was taught.
        after: by the new one.
    """

    before: Verdicts
    after: Verdicts

    @property
    def rejected(self) -> NDArray[np.intp]:
        """Numbers of the pictures that passed before."""
        return np.flatnonzero(~self.before.anomalous & self.after.anomalous)

    @property
    def accepted(self) -> NDArray[np.intp]:
        """Numbers of the pictures that were rejected before."""
        return np.flatnonzero(self.before.anomalous & ~self.after.anomalous)


@dataclass(frozen=True)
class TeachRequest:
    """What a family is asked for.

    Attributes:
        former: checkpoint of the version that is taught.
        defects: judged defects, at least one.
        part: number of the part that each of them shows.
        others: pictures of good parts, judged or passed, that nothing learns from.
        in_force: thresholds by which the version judges.
        alpha: false-reject rate of the new version.
        out: checkpoint to write.
        seed: seed of everything random.
        compute: device and precision.
    """

    former: Checkpoint
    defects: Sequence[TeachingPicture]
    part: Sequence[int]
    others: Sequence[Path]
    in_force: ThresholdPair
    alpha: float
    out: Path
    seed: int
    compute: Compute


@dataclass(frozen=True)
class TaughtModel:
    """What came of it.

    Attributes:
        in_force: thresholds by which the version before judges.
        thresholds: of the new version.
        defects: the judged defects; after: each by what has not seen its part.
        by_bank: the same by the bank alone; after: at the threshold that has moved.
        others: pictures of good parts.
        doubtful: which judged defects look like usual good parts to what has not seen them.
        left_out: what bank and head together say of the judged defects, each without having seen
            its part, where that costs more than it finds: the new version is the bank alone. None
            if it has a head.
        suspects: files of pictures that the version was learned from as good, and that look
            like judged defects, the likest first; none without a head.
    """

    in_force: ThresholdPair
    thresholds: ThresholdPair
    defects: TurnedVerdicts
    by_bank: TurnedVerdicts
    others: TurnedVerdicts
    doubtful: NDArray[np.bool_]
    left_out: Verdicts | None = None
    suspects: tuple[str, ...] = ()


def costs_more(together: Verdicts, alone: Verdicts) -> bool:
    """Whether what judged defects teach costs more than it finds, as far as these tell.

    A head takes a part of the false-reject rate from the bank. Where the bank misses none of the
    judged defects, there is nothing to be found for that.

    Args:
        together: what bank and head say of the judged defects, each without having seen it.
        alone: what the bank says of them at its own thresholds.
    """
    return bool(alone.anomalous.all()) or together.found < alone.found


Teach = Callable[[TeachRequest, Stages], TaughtModel]


def _touched(start: int, length: int, pixels: int, cells: int) -> slice:
    first = min(cells - 1, start * cells // pixels)
    return slice(first, max(first + 1, math.ceil((start + length) * cells / pixels)))
