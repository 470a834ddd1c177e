"""How a family is learned, from good pictures to its checkpoint, and what that is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Image
from takt.core.families.every import declared
from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.learning.look import GoodPictures
from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.size_request import USUAL_SIZE, SizeRequest
from takt_export.learning.stages import Stages
from takt_export.learning.teaching.request import Teach
from takt_export.pictures import read_fit_input
from takt_export.versions import package_versions
from takt_models.checkpoints.facts import Checkpoint, InputRecipe, SizeRange
from takt_models.checkpoints.family import ModelConfig
from takt_models.checkpoints.own import FitFacts
from takt_models.fit.device import Compute
from takt_models.fit.inpformer.encoders import LITE0


@dataclass(frozen=True)
class FitRequest:
    """What a fit is asked for.

    Attributes:
        pictures: good pictures.
        out: checkpoint to write; an interrupted fit leaves its state beside it.
        minutes: time for a family that trains; its own default if None.
        seed: seed of everything random.
        compute: device and precision.
        quiet: show no bar.
        encoder: of a PatchCore or an INP-Former, as `encoder_of` takes it.
        sizing: what was asked about the size of the input.
        bank: what a search has chosen for a PatchCore, which goes before encoder and sizing; None
            without a search.
    """

    pictures: GoodPictures
    out: Path
    minutes: float | None
    seed: int
    compute: Compute
    quiet: bool
    encoder: str = LITE0
    sizing: SizeRequest = USUAL_SIZE
    bank: BankChoice | None = None

    def options(self) -> dict[str, Any]:
        """The options that all families share."""
        return {"seed": self.seed} | ({} if self.minutes is None else {"minutes": self.minutes})

    def facts(
        self, config: ModelConfig, seen: tuple[Path, ...], steps: int, **further: Any
    ) -> FitFacts:
        """What a checkpoint keeps of the fit.

        Args:
            config: settings that shape the model.
            seen: good pictures that the fit looked at.
            steps: of the optimiser, as `FitFacts` has them.
            further: other fields of `FitFacts`.
        """
        digests = tuple(self.pictures.digests[path] for path in seen)
        sizes = SizeRange.of((width, height) for width, height, _ in self.pictures.sizes)
        versions = package_versions()
        return FitFacts(config, digests, steps, self.seed, versions, sizes=sizes, **further)


@dataclass(frozen=True)
class ExtendRequest:
    """What the extension of a model is asked for.

    Attributes:
        former: checkpoint that it goes on from, with scores out of fold.
        pictures: further good pictures, none of which it has seen.
        out: checkpoint to write.
        seed: seed of everything random.
        compute: device and precision.
        alpha: false-reject rate of the former version; None if its thresholds promise none.
    """

    former: Checkpoint
    pictures: GoodPictures
    out: Path
    seed: int
    compute: Compute
    alpha: float | None = None


@dataclass(frozen=True)
class Extension:
    """What the new pictures score; those that count.

    Attributes:
        before: scores and peaks [2,n] by the former model.
        after: scores and peaks [2,n] by the new one without their own fold, or lot.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]


Extend = Callable[[ExtendRequest, Stages], Extension]


@dataclass(frozen=True)
class FamilyLearning:
    """How a family is learned: what its distribution declares.

    Attributes:
        fit: fits a model and writes its checkpoint.
        extend: adds pictures to a model and writes its checkpoint; None if that cannot be.
        teach: teaches a model by judged defects and writes its checkpoint; None if that cannot be.
        calibration: share of the good pictures that give the thresholds.
    """

    fit: Callable[[FitRequest, Stages], None]
    extend: Extend | None = None
    teach: Teach | None = None
    calibration: float = 1.0

    def most_scores(self, pictures: GoodPictures) -> int:
        """The most parts that the thresholds can come from; how many a fit leaves shows later."""
        held_back = math.ceil(self.calibration * len(pictures.digests))
        return min(held_back, pictures.parts.count)


def learning_of(family: str) -> FamilyLearning | None:
    """How a family is learned; None of one that is not listed or that only others train."""
    return declared(family, "learning", FamilyLearning)


def reader(recipe: InputRecipe) -> Callable[[Path], Image]:
    """A function that reads a picture exactly as the service will."""
    spec = preprocess_of(recipe)
    return lambda path: read_fit_input(path, spec)
