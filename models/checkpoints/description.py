"""What can be said of checkpoint files, good or bad, without serving them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from torch import nn

from models.checkpoints import own
from models.checkpoints.errors import CheckpointError, UnsetStatisticsError
from models.checkpoints.facts import Checkpoint, TrainedThresholds
from models.checkpoints.formats import files_of, recognise
from models.detector import Detector
from models.efficientad.detector import EfficientAd
from models.inpformer import InpFormer

Statistics = Literal["set", "never set", "to be measured", "none needed"]

MAPS = {
    ("efficientad", "anomalib"): "padded, resized to the input, then scaled; score: its maximum",
    ("efficientad", "nelson1425"): "scaled, padded, then resized to the picture; score: its "
    "maximum there",
    ("inpformer", "anomalib"): "at the input's size, blurred; score: mean of the highest 1 %",
    ("inpformer", "official"): "resized to 256 x 256, blurred; score: mean of the highest 1 %",
}


@dataclass(frozen=True)
class Description:
    """What is known of files that were given as one checkpoint; None where nothing is.

    Attributes:
        files: as given, or those of the folder that was given.
        loadable: whether `load_checkpoint` gives a detector.
        problem: why not, and what to do.
        format: of the files, for people.
        framework: whose code trained the model.
        made_with: versions by package, as narrow as the files tell.
        family: of the model.
        variant: likewise, such as `small`.
        parameters: numbers in the networks.
        input: how pictures are prepared, for people.
        map: how the map and the score are made, for people.
        statistics: whether those that scale the map are there.
        thresholds: those of the training.
        seen: good pictures that the training is known to have looked at.
        missing: what must be measured before an export.
        assumptions: what the files do not say, and what is taken instead.
    """

    files: tuple[Path, ...]
    loadable: bool = False
    problem: str | None = None
    format: str | None = None
    framework: str | None = None
    made_with: dict[str, str] = field(default_factory=dict)
    family: str | None = None
    variant: str | None = None
    parameters: int | None = None
    input: str | None = None
    map: str | None = None
    statistics: Statistics | None = None
    thresholds: TrainedThresholds | None = None
    seen: int | None = None
    missing: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


def describe(paths: Path | Sequence[Path]) -> Description:
    """Describe files that are given as one checkpoint; a bad one is described, never raised.

    Args:
        paths: see `load_checkpoint`.
    """
    files = files_of(paths)
    try:
        found = recognise(files)
    except (CheckpointError, OSError) as error:
        return Description(files, problem=str(error))
    known = Description(
        found.files, format=found.format, framework=found.framework, family=found.family
    )
    try:
        if found.framework == own.FRAMEWORK and own.kind_of(files[0]) == "teacher":
            return _of_teacher(known, files[0])
        return _of_checkpoint(known, found.load())
    except UnsetStatisticsError as error:
        return replace(known, problem=str(error), statistics="never set")
    except (CheckpointError, OSError) as error:
        return replace(known, problem=str(error))


def _of_checkpoint(known: Description, checkpoint: Checkpoint) -> Description:
    model = checkpoint.model
    if not isinstance(model, EfficientAd):
        statistics: Statistics = "none needed"
    else:
        statistics = "to be measured" if checkpoint.missing else "set"
    return replace(
        known,
        loadable=True,
        made_with=checkpoint.made_with,
        family=model.family,
        variant=model.variant,
        parameters=_parameters(model),
        input=checkpoint.recipe.text(),
        map=_map(model),
        statistics=statistics,
        thresholds=checkpoint.thresholds,
        seen=len(checkpoint.seen) or None,
        missing=checkpoint.missing,
        assumptions=checkpoint.assumptions,
    )


def _of_teacher(known: Description, path: Path) -> Description:
    network = own.load_teacher(path)
    return replace(
        known,
        problem=f"{path} is a teacher, from which `takt fit efficientad --teacher` starts, and no "
        "detector: give what such a fit wrote",
        variant=network.size,
        parameters=_parameters(network),
    )


def _map(model: Detector) -> str | None:
    if isinstance(model, (EfficientAd, InpFormer)):
        return MAPS[model.family, model.config.recipe]
    return None


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
