"""A set of middles, of which models are learned, and what they say of moved pictures.

The features of moved pictures are computed once for an encoder, and shared by all models on it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.corpus import moves
from benchmarks.corpus.features import features_in
from benchmarks.corpus.fitted import Distances, known_model
from benchmarks.corpus.locators import grays_in
from benchmarks.corpus.measuring import Subject, Task
from benchmarks.corpus.moves import ALTERED, CHOSEN_ON, Alteration, combinations, middle
from takt_export.calibration.pictures_to_use import sample_evenly
from takt_export.evaluation.data_sets import Sample, read_data_set
from takt_export.pictures import list_pictures

MOST_TESTED = 30
"""Most good pictures of a set that are tested, and most defective ones."""

COMBINATIONS = 50

SHOWN_BY = 5
"""A combination is shown by every so manieth of these pictures."""

RANDOM = "random"
"""Name of all combinations together."""


@dataclass(frozen=True)
class Movement:
    """Something that happens to pictures.

    Attributes:
        name: of an alteration, or `RANDOM`.
        alter: alters a whole picture.
        first: first of the pictures that show it, of the good ones and of the defective ones.
        every: which of them show it.
    """

    name: str
    alter: Alteration
    first: int = 0
    every: int = 1


def movements(*, choosing: bool) -> tuple[Movement, ...]:
    """Those by which choices are made, or those by which a model is judged."""
    named = CHOSEN_ON if choosing else ALTERED
    drawn = combinations(COMBINATIONS, seed=1 if choosing else 0)
    return (
        *(Movement(name, alter) for name, alter in named.items()),
        *(
            Movement(RANDOM, alter, number % SHOWN_BY, SHOWN_BY)
            for number, alter in enumerate(drawn)
        ),
    )


@dataclass(frozen=True)
class Shown:
    """A picture that shows a movement.

    Attributes:
        movement: number of the movement.
        picture: number of the picture among the tested ones.
    """

    movement: int
    picture: int


@dataclass(frozen=True)
class MovedSet:
    """A set of middles, and its tested pictures moved.

    Attributes:
        subject: the middles: all good pictures, and some good and some defective ones for testing.
        whole: the tested pictures as they were, in the subject's order.
        moved: what happens to them.
    """

    subject: Subject
    whole: tuple[Path, ...]
    moved: tuple[Movement, ...]

    @classmethod
    def of(cls, task: Task, moved: Sequence[Movement]) -> MovedSet:
        """The set of a task.

        Raises:
            CorpusError: the setting cannot be had.
            PicturesError: a picture cannot be read.
        """
        root, whole = middles_of(task.root, task.scratch / "middles")
        subject = Subject.of(replace(task, root=root))
        names = subject.pictures.tested_names
        return cls(subject, tuple(whole[name] for name in names), tuple(moved))

    @cached_property
    def shown(self) -> tuple[Shown, ...]:
        """All moved pictures, those of one picture together."""
        found = []
        for picture, defective in enumerate(self.subject.defective):
            turn = int((self.subject.defective[:picture] == defective).sum())
            found += [
                Shown(number, picture)
                for number, one in enumerate(self.moved)
                if turn % one.every == one.first
            ]
        return tuple(found)

    @property
    def folder(self) -> Path:
        """Where their features are kept."""
        facts = f"{[one.name for one in self.moved]}{self.shown}"
        digest = hashlib.sha256(facts.encode() + Path(moves.__file__).read_bytes())
        return self.subject.known.folder / f"moved-{digest.hexdigest()[:12]}"

    def layers(self) -> tuple[NDArray[np.float16], ...]:
        """The features of all moved pictures, by layer."""
        encoder = self.subject.encoder
        return features_in(self.folder, self._files(), len(self.shown), encoder)

    def distances(self, distances: Distances) -> Tensor:
        """The distances of all moved pictures to the banks of a fit, [m,L,h,w]."""
        digest = hashlib.sha256()
        for name in sorted(distances.banks):
            digest.update(distances.banks[name].numpy().tobytes())
        path = self.folder / f"distances-{digest.hexdigest()[:12]}.npy"
        if not path.is_file():
            model = known_model(distances, self.subject.known.layers, [], self.subject.encoder)
            with torch.no_grad():
                found = [model.distances(cells)[:, 0] for cells in _cells(self.layers())]
            # A distance moves by half a thousandth, as those of the fit do.
            np.save(path, torch.stack(found).half().numpy())
        return torch.from_numpy(np.load(path)).float()

    def new_content(self) -> NDArray[np.bool_]:
        """The cells of the moved pictures' maps that models take for new, [m,h,w]."""
        grays = grays_in(self.folder, self._files(), self.subject.encoder)
        return self.subject.located.new_content(grays)

    def _files(self) -> Iterator[tuple[Path, bytes]]:
        read: dict[int, NDArray[np.uint8]] = {}
        for one in self.shown:
            path = self.whole[one.picture]
            if one.picture not in read:
                read = {one.picture: read_whole(path)}
            yield path, _png(self.moved[one.movement].alter(read[one.picture]))


def _cells(layers: Sequence[NDArray[np.float16]]) -> Iterator[list[Tensor]]:
    for number in range(len(layers[0])):
        picture = (torch.from_numpy(layer[[number]].astype(np.float32)) for layer in layers)
        yield [one.flatten(2).transpose(1, 2) for one in picture]


def middles_of(root: Path, scratch: Path) -> tuple[Path, Mapping[str, Path]]:
    """A set's middles on disk, and the whole tested pictures by the names of their middles."""
    good, tested = list_pictures(root / "train" / "good"), _tested(root)
    whole = {path.relative_to(root).as_posix() + ".png": path for path in (*good, *tested)}
    digest = hashlib.sha256()
    for name, path in whole.items():
        digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    folder = scratch / digest.hexdigest()[:12] / root.name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder.parent))
        for name, path in whole.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(_png(middle(read_whole(path))))
        shutil.move(part, folder)
    return folder, whole


def _tested(root: Path) -> list[Path]:
    def some(samples: Sequence[Sample]) -> list[Path]:
        return sample_evenly([one.path for one in samples], (), MOST_TESTED)

    samples = read_data_set(root).samples
    good = some([one for one in samples if one.defect is None])
    return good + some([one for one in samples if one.defect is not None])


def read_whole(path: Path) -> NDArray[np.uint8]:
    """A picture as the movements take it, BGR [H,W,3]."""
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, path
    return np.asarray(picture, np.uint8)


def _png(picture: NDArray[np.uint8]) -> bytes:
    found, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert found
    return data.tobytes()
