"""How the checkpoints of a family are read: what its distribution declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from takt.core.families.every import declared, every
from takt_models.checkpoints.facts import Checkpoint
from takt_models.detector import Detector


class ModelConfig(Protocol):
    """The settings that shape a model: a dataclass of plain values."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""


@dataclass(frozen=True)
class Format:
    """One kind of pickled file with one model in it.

    Attributes:
        name: name for people.
        framework: code base that writes it.
        recognises: whether the content of a pickle is of this kind, by the names in it.
        load: makes the model of a file's content.
    """

    name: str
    framework: str
    recognises: Callable[[object], bool]
    load: Callable[[Path, Any], Checkpoint]


@dataclass(frozen=True)
class OwnCheckpoints:
    """How a file of ours becomes a model of the family.

    Attributes:
        config: makes the settings of plain values; raises ValueError for those that make no sense.
        model: makes a model of the settings, which has no weights yet.
        check: raises CheckpointError for a model that was not fitted to the end; its path is for
            the message.
        parts: kinds of files that hold a part of such a model.
    """

    config: Callable[[dict[str, Any]], ModelConfig]
    model: Callable[[Any], Detector]
    check: Callable[[Any, Path], None] = lambda _model, _path: None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class FamilyCheckpoints:
    """What a family declares about its checkpoints.

    Attributes:
        map_text: how a model makes its map and score, for people; None if nobody has said.
        own: how files of ours are read; None if no fit of ours makes such a model.
        formats: the files of other code bases, each of which is one pickle.
        is_scaled: its map is scaled by statistics, which a file may lack.
    """

    map_text: Callable[[Any], str | None] = lambda _: None
    own: OwnCheckpoints | None = None
    formats: tuple[Format, ...] = ()
    is_scaled: bool = False


def checkpoints_of(family: str) -> FamilyCheckpoints:
    """What a family declares; nothing where it is not listed."""
    return declared(family, "checkpoints", FamilyCheckpoints) or FamilyCheckpoints()


def own_checkpoints() -> Iterator[tuple[str, OwnCheckpoints]]:
    """Each family that files of ours are of, by its name."""
    for family in every():
        if (own := checkpoints_of(family.name).own) is not None:
            yield family.name, own


def pickled_formats() -> Iterator[tuple[str, Format]]:
    """The formats of other code bases, each with its family's name."""
    for family in every():
        for one in checkpoints_of(family.name).formats:
            yield family.name, one


def family_of_kind(kind: str) -> str:
    """The family that a kind of file of ours is of; the kind itself if none is known.

    >>> family_of_kind("teacher"), family_of_kind("patchcore")
    ('efficientad', 'patchcore')
    """
    return next((name for name, own in own_checkpoints() if kind in own.parts), kind)
