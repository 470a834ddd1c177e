"""What a family is asked for when it is taught by judged pictures, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.thresholds import ThresholdPair
from takt_export.learning.stages import Stages
from takt_export.learning.teaching.judged_pictures import TeachingPicture
from takt_export.learning.teaching.verdicts import TurnedVerdicts, Verdicts
from takt_models.checkpoints.facts import Checkpoint
from takt_models.fit.device import Compute


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
            its part, where that does not pay: the new version is the bank alone. None
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


Teach = Callable[[TeachRequest, Stages], TaughtModel]
