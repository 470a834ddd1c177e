"""Whether the bank's features tell which kind of defect a region shows.

Kinds are named by a set's folders, or by boxes (`boxes/*.json`) where a picture has several. Half
of the pictures, at random, are named; of each kind so many places of theirs teach, and the regions
of the other half are asked: those over the map's threshold at α = 5 %, each of the kind of its
picture, or of the box that holds most of it. A region is the mean of its cells, weighted by the
map, in the space in which good cells are white. It is of the nearest kind: by the cosine to the
kinds' means, or by their shared covariance (a linear discriminant, half of it shrunk).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.measuring import Subject, Task
from benchmarks.corpus.sets import CorpusError
from benchmarks.corpus.table import markdown
from benchmarks.corpus.teaching import Pupil
from models.checkpoints.good_cells import exact

NAMED = 10
"""Places of each kind that teach."""

DRAWS = 20
ALPHA = 0.05
BAR = 0.8
"""Least share of the regions that are called by their kind, mean over the kinds."""

UNKNOWN_BAR = 0.7
"""Least share of a kind's regions that are called unknown where nobody has named that kind."""

NEAR_ENOUGH = 0.8
"""Share of the named places that are near enough to their own kind, each without itself."""

_FLOOR = 0.05
_SHRUNK = 0.5

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Places:
    """Places of defects.

    Attributes:
        picture: number of the picture of each, [n].
        kind: of each, [n].
        white: mean of its cells, [n,C].
    """

    picture: NDArray[np.int64]
    kind: NDArray[np.str_]
    white: Floats

    def some(self, which: NDArray[np.bool_]) -> Places:
        """Those of a mask."""
        return Places(self.picture[which], self.kind[which], self.white[which])


Method = Callable[[Places, Floats], tuple[NDArray[np.str_], Floats]]
"""Kinds that were taught, and how much each place that is asked is like each of them."""


@dataclass(frozen=True)
class KindFigures:
    """What the features tell of a set's kinds.

    Attributes:
        kinds: number of them.
        regions: number of regions that are asked.
        boxes: accuracy by method where the place is given, as by a box, mean over the kinds.
        accuracy: that of the regions, by method.
        unknown: share of a kind that is called unknown while nobody has named it.
        wrongly_unknown: share of the regions of named kinds that are called unknown.
    """

    kinds: int
    regions: int
    boxes: Mapping[str, float]
    accuracy: Mapping[str, float]
    unknown: float
    wrongly_unknown: float


def measure_kinds(task: Task) -> KindFigures:
    """Measures a set with seed 0.

    Raises:
        CorpusError: its defects are of one kind.
    """
    with task.setting.applied():
        pupil, subject = Pupil.of(task), Subject.of(task)
        paths = [sample.path for sample in subject.pictures.tested]
        whitening = pupil.good.statistics.whitening(None)
        named: list[tuple[int, str, Floats]] = []
        found: list[tuple[int, str, Floats]] = []
        limit = pupil.alone[ALPHA].pixel
        for number in np.flatnonzero(pupil.defective).tolist():
            seen = pupil.looked[number]
            usual = whitening.usual.reshape(seen.cells.shape)
            cells = ((exact(seen.cells) - usual) @ whitening.inverse).numpy()
            oddness = seen.oddness.numpy()
            boxes = [*_boxes(task.root, paths[number], oddness.shape)]
            regions = [*_regions(oddness, limit)]
            if boxes:
                named += [(number, kind, _mean(cells, oddness, box)) for kind, box in boxes]
                for region in regions:
                    kind = max(boxes, key=lambda one: (one[1] & region).sum() / region.sum())[0]
                    if any((box & region).sum() > region.sum() / 2 for _, box in boxes):
                        found.append((number, kind, _mean(cells, oddness, region)))
            else:
                kind = paths[number].parent.name
                highest = oddness >= np.quantile(oddness, 0.99)
                largest = max(regions, key=lambda one: float(oddness[one].max()), default=highest)
                named.append((number, kind, _mean(cells, oddness, largest)))
                found += [(number, kind, _mean(cells, oddness, largest))] if regions else []
        return figures_of(_places(named), _places(found))


def report(found: Mapping[str, KindFigures]) -> str:
    """A table of the sets."""
    head = ["set", "kinds", "regions", "place given: cosine, discriminant", "regions: cosine"]
    head += ["regions: discriminant", "unnamed kind unknown", "named kind unknown"]
    rows = [
        [
            name,
            str(one.kinds),
            str(one.regions),
            ", ".join(f"{value:.2f}" for value in one.boxes.values()),
            *(f"{value:.2f} {_met(value >= BAR)}" for value in one.accuracy.values()),
            f"{one.unknown:.0%} {_met(one.unknown >= UNKNOWN_BAR)}",
            f"{one.wrongly_unknown:.0%}",
        ]
        for name, one in found.items()
    ]
    return markdown(head, rows)


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


def _places(given: Sequence[tuple[int, str, Floats]]) -> Places:
    return Places(
        np.array([one[0] for one in given], np.int64),
        np.array([one[1] for one in given]),
        np.stack([one[2] for one in given]) if given else np.empty((0, 0), np.float32),
    )


def _boxes(
    root: Path, path: Path, shape: tuple[int, ...]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Kind and cells of each box of a picture that has any."""
    file = root / "boxes" / f"{path.stem}.json"
    if not file.is_file():
        return
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    rows, columns = shape[0] / picture.shape[0], shape[1] / picture.shape[1]
    for one in json.loads(file.read_text("utf-8")):
        left, top, right, bottom = one["bbox"]
        cells = np.zeros(shape, np.bool_)
        down = slice(int(top * rows), int(np.ceil(bottom * rows)))
        cells[down, int(left * columns) : int(np.ceil(right * columns))] = True
        yield one["type"], cells


def _regions(oddness: Floats, limit: float) -> Iterator[NDArray[np.bool_]]:
    count, labels = cv2.connectedComponents((oddness > limit).astype(np.uint8), connectivity=8)
    for label in range(1, count):
        yield labels == label


def _mean(cells: Floats, oddness: Floats, which: NDArray[np.bool_]) -> Floats:
    weight = np.maximum(oddness[which], 0) + _FLOOR
    mean: Floats = np.average(cells[which], axis=0, weights=weight).astype(np.float32)
    return mean


def figures_of(named: Places, found: Places) -> KindFigures:
    """What some named places tell of regions that were found.

    Raises:
        CorpusError: all are of one kind.
    """
    kinds = np.unique(named.kind)
    if len(kinds) < 2:
        raise CorpusError("its defects are of one kind: name sets that have several")
    boxes: dict[str, list[float]] = {"cosine": [], "discriminant": []}
    accuracy: dict[str, list[float]] = {"cosine": [], "discriminant": []}
    unknown, wrongly = [], []
    for draw in range(DRAWS):
        random = np.random.default_rng(draw)
        pictures = random.permutation(np.unique(named.picture))
        half = pictures[: len(pictures) // 2]
        taught = _drawn(named.some(np.isin(named.picture, half)), random)
        asked = found.some(~np.isin(found.picture, half))
        given = named.some(~np.isin(named.picture, half))
        for method, of in (("cosine", _cosines), ("discriminant", _discriminants)):
            boxes[method].append(_accuracy(taught, given, of))
            accuracy[method].append(_accuracy(taught, asked, of))
        for kind in kinds:
            others = taught.some(taught.kind != kind)
            likeness = _cosines(others, asked.white)[1].max(1)
            far = likeness < _least(others)
            unknown.append(float(far[asked.kind == kind].mean()))
            wrongly.append(float(far[asked.kind != kind].mean()))
    return KindFigures(
        len(kinds),
        len(found.kind),
        {method: fmean(values) for method, values in boxes.items()},
        {method: fmean(values) for method, values in accuracy.items()},
        float(np.nanmean(unknown)),
        float(np.nanmean(wrongly)),
    )


def _drawn(places: Places, random: np.random.Generator) -> Places:
    chosen = np.zeros(len(places.kind), np.bool_)
    for kind in np.unique(places.kind):
        chosen[random.permutation(np.flatnonzero(places.kind == kind))[:NAMED]] = True
    return places.some(chosen)


def _cosines(taught: Places, asked: Floats) -> tuple[NDArray[np.str_], Floats]:
    kinds = np.unique(taught.kind)
    middle = taught.white.mean(0)
    means = np.stack([taught.white[taught.kind == kind].mean(0) for kind in kinds]) - middle
    return kinds, _unit(asked - middle) @ _unit(means).T


def _discriminants(taught: Places, asked: Floats) -> tuple[NDArray[np.str_], Floats]:
    kinds, of = np.unique(taught.kind, return_inverse=True)
    means = np.stack([taught.white[of == number].mean(0) for number in range(len(kinds))])
    within = taught.white - means[of]
    covariance = within.T @ within / len(within)
    level = np.trace(covariance) / len(covariance)
    shrunk = (1 - _SHRUNK) * covariance + _SHRUNK * level * np.eye(len(covariance))
    directions = np.linalg.solve(shrunk, means.T)
    values: Floats = asked @ directions - (means * directions.T).sum(1) / 2
    return kinds, values


def _least(taught: Places) -> float:
    """The cosine that most named places exceed, each to its own kind without itself."""
    own = []
    for number in range(len(taught.kind)):
        kept = np.arange(len(taught.kind)) != number
        kinds, values = _cosines(taught.some(kept), taught.white[number : number + 1])
        own.append(float(values[0, kinds == taught.kind[number]].max(initial=-1.0)))
    return float(np.quantile(own, 1 - NEAR_ENOUGH))


def _accuracy(taught: Places, asked: Places, of: Method) -> float:
    kinds, values = of(taught, asked.white)
    right = kinds[values.argmax(1)] == asked.kind
    return fmean(float(right[asked.kind == kind].mean()) for kind in np.unique(asked.kind))


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit
