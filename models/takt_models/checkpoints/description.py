"""Descriptions of checkpoint files, good or bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from torch import nn

from takt_models.checkpoints import own
from takt_models.checkpoints.errors import CheckpointError, UnsetStatisticsError
from takt_models.checkpoints.facts import Checkpoint, TrainedThresholds
from takt_models.checkpoints.family import checkpoints_of
from takt_models.checkpoints.formats import files_of, recognise

Statistics = Literal["set", "never set", "to be measured", "none needed"]


@dataclass(frozen=True)
class Description:
    """The known facts of files that make one checkpoint; None stands for an unknown fact.

    Attributes:
        files: the given files, or those of the given folder.
        loadable: whether `load_checkpoint` makes a detector of them.
        problem: reason why it makes none, and the remedy.
        format: format of the files, for people.
        framework: code base that trained the model.
        made_with: versions by package, as narrow as the files tell.
        family: family of the model.
        variant: size within the family, such as `small`.
        parameters: count of the numbers in the networks.
        input: preparation of pictures, for people.
        map: making of map and score, for people.
        statistics: whether the statistics that scale the map are stored.
        thresholds: thresholds of the training.
        seen: count of the good pictures that the training is known to have seen.
        missing: statistics that must be measured before an export.
        assumptions: gaps of the files, each with the default that was taken.
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
    """Describes files that make one checkpoint; the problem of a bad one is part of the answer.

    Args:
        paths: files or folder, as `load_checkpoint` takes them.

    >>> described = describe(Path("absent.ckpt"))
    >>> described.loadable, described.problem.partition(":")[0]
    (False, 'absent.ckpt does not exist')
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
    family = checkpoints_of(model.family)
    if not family.is_scaled:
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
        map=family.map_text(model),
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


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
