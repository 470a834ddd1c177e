"""What detectors learn of a set, and what they are asked: as it is, moved, and of other lots."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.locators import Located
from benchmarks.corpus.measuring import Subject, Task
from benchmarks.corpus.moved import MovedSet, Movement
from benchmarks.corpus.moves import ALTERED
from benchmarks.corpus.settings import SIZE
from benchmarks.lots import RULES, dealt
from benchmarks.splits import MOST_FITTED, good_pictures, known_set
from benchmarks.splits import Task as LotTask
from takt_export.calibration.lots import lots_of
from takt_models.fit.patchcore.encoders import PatchCoreEncoder

WHOLE, MOVED, OTHER_LOTS = "as it is", "moved", "other lots"
WORLDS = (WHOLE, MOVED, OTHER_LOTS)


@dataclass(frozen=True)
class World:
    """What detectors learn of a set, and what they are asked about.

    Attributes:
        encoder: shapes Takt's model.
        layers: features float16 [N,C,h,w] of the set's pictures, by layer.
        copies: the same of their moved copies.
        learned: numbers of the good pictures to learn from, [n].
        lots: name of the lot of each; None where none is known.
        asked: features of the pictures to ask about, [m,C,h,w] by layer.
        defective: which of them show a defect, [m].
        shows: the movement that each shows, [m].
        new: finds the cells of Takt's maps of them that show what came from beyond the border,
            [m,h,w]; None where that is not looked for.
    """

    encoder: PatchCoreEncoder
    layers: tuple[NDArray[np.float16], ...]
    copies: tuple[NDArray[np.float16], ...]
    learned: Sequence[int]
    lots: Sequence[str] | None
    asked: tuple[NDArray[np.float16], ...]
    defective: NDArray[np.bool_]
    shows: Sequence[str]
    new: Callable[[], NDArray[np.bool_]] | None


def has_world(root: Path, world: str) -> bool:
    """Whether a set can be asked so: only some name a lot."""
    return world != OTHER_LOTS or root.name in RULES


def world_of(task: Task, world: str) -> World:
    """The world of a set; features that are missing are made.

    Raises:
        CorpusError: a picture is turned by its EXIF data.
        PicturesError: a picture cannot be read.
    """
    match world:
        case "as it is":
            return _whole(Subject.of(task))
        case "moved":
            moved = tuple(Movement(name, alter) for name, alter in ALTERED.items())
            return _moved(MovedSet.of(task, moved))
        case _:
            return _other_lots(task)


def _whole(subject: Subject) -> World:
    learned, tested = some(subject.good.tolist()), subject.tested
    return World(
        encoder=subject.encoder,
        layers=subject.known.layers,
        copies=subject.known.copies,
        learned=learned,
        lots=None,
        asked=tuple(layer[len(subject.good) :] for layer in subject.known.layers),
        defective=subject.defective,
        shows=[WHOLE] * len(tested),
        new=lambda: _located(subject, learned).new_content(subject.grays[tested]),
    )


def _moved(moved: MovedSet) -> World:
    subject = moved.subject
    world = _whole(subject)
    pictures = [one.picture for one in moved.shown]
    return replace(
        world,
        asked=moved.layers(),
        defective=subject.defective[pictures],
        shows=[moved.moved[one.movement].name for one in moved.shown],
        new=moved.new_content,
    )


def _other_lots(task: Task) -> World:
    """Some lots are learned, and the others' good pictures and all defects asked."""
    of_lots = LotTask(task.root, size=int(task.setting.values[SIZE]), out=task.scratch)
    known = known_set(of_lots)
    names = lots_of(good_pictures(task.root), re.compile(RULES[task.root.name])).of
    learned, judged = dealt(names, 0)
    defects = [*range(known.good, len(known.layers[0]))]
    asked = [*judged, *defects]
    return World(
        encoder=known.encoder,
        layers=known.layers,
        copies=known.copies,
        learned=learned,
        lots=[names[picture] for picture in learned],
        asked=tuple(layer[asked] for layer in known.layers),
        defective=np.arange(len(asked)) >= len(judged),
        shows=[OTHER_LOTS] * len(asked),
        new=None,
    )


def some(good: Sequence[int]) -> list[int]:
    """At most `MOST_FITTED` of the good pictures, drawn with seed 0, in an order of chance."""
    order = np.random.default_rng(0).permutation(len(good))[:MOST_FITTED]
    return [good[number] for number in order.tolist()]


def _located(subject: Subject, learned: Sequence[int]) -> Located:
    """The locator that a model of these pictures has."""
    paths = [subject.pictures.good[number] for number in learned]
    part = [subject.pictures.part[number] for number in learned]
    return Located.of(subject.grays[[*learned]], paths, part, subject.encoder)
