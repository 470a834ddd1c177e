"""Tried: cells are left out whose content is new, by a movement told from grey cells.

    python -m benchmarks.corpus.tried.locating DATA SCRATCH [SET ...]

The grey level of each cell of the map is high-passed, the border is left out, and a linear map,
taught by made-up movements of the good pictures, tells shift and turn. Four maps each see the
picture without a quarter, so that a defect does not move all of them; the least amount counts.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.fitted import answered
from benchmarks.corpus.measuring import Task
from benchmarks.corpus.moved import MovedSet, movements
from benchmarks.corpus.moves import CHOSEN_ON
from benchmarks.corpus.settings import Setting
from models.patchcore.detector import SCORED_CELLS

Floats = NDArray[np.float32]

TAUGHT, STILL, SHARE_STILL = 12_000, (0.0, 0.0, 0.0, 1.0), 0.25
RANGE = np.array((0.06, 0.06, 5, 0.04), np.float32)
"""Largest shift, turn in degrees and scale that are taught."""

LEAST = np.array((0.0125, 0.0125, 1.5), np.float32)
"""Smaller movements are taken for none: half a cell of 40, and what turns the border as far."""

AROUND = 2
"""Cells around new content that are left out too: the encoder sees as far."""

BORDER = 0.075
"""Share of each side that the estimate leaves out."""

FOLDS, MOST_STILL, LEAST_TOLD, FAR = 4, 0.05, 0.5, 0.02
"""Of the gate: most good pictures told as moved, and least moved ones beyond `FAR` so told."""

PENALTIES = (0.01, 0.1, 1.0, 10.0)


@dataclass(frozen=True)
class Cells:
    """The cells of a map, and the shape of the picture.

    Attributes:
        grid: rows and columns.
        aspect: height of the picture over its width.
    """

    grid: tuple[int, int]
    aspect: float

    def of(self, grey: NDArray[np.uint8]) -> Floats:
        """A grey picture's high-passed cells without the border, [h,w]."""
        h, w = self.grid
        small = cv2.resize(grey.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
        high = small - cv2.blur(small, (2 * round(w / 9) + 1, 2 * round(h / 9) + 1))
        top, left = round(BORDER * h), round(BORDER * w)
        return np.asarray(high[top : h - top, left : w - left], np.float32)

    def moved(self, grey: NDArray[np.uint8], place: Sequence[float]) -> NDArray[np.uint8]:
        """A grey picture whose content is moved; what lies beyond its border is mirrored in."""
        (height, width), (dx, dy, degrees, scale) = grey.shape, place
        c, s = (scale * f(math.radians(degrees)) for f in (math.cos, math.sin))
        stretch = self.aspect * width / height
        turn = np.array(((c, s * stretch), (-s / stretch, c)))
        middle = np.array(((width - 1) / 2, (height - 1) / 2))
        shift = middle + np.array((dx * width, dy * height)) - turn @ middle
        matrix = np.column_stack((turn, shift))
        found = cv2.warpAffine(
            grey, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(found, np.uint8)

    def new(self, moves: Floats, around: float) -> NDArray[np.bool_]:
        """Cells whose content is new after movements [n,3], and some around, [n,h,w]."""
        h, w = self.grid
        rows, columns = np.mgrid[0:h, 0:w]
        dx, dy, degrees = (one[:, None, None] for one in moves.T)
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        x = (columns + 0.5) / w - 0.5 - dx
        y = ((rows + 0.5) / h - 0.5 - dy) * self.aspect
        beyond_x = np.abs(c * x - s * y) > 0.5 - around / w
        beyond_y = np.abs(s * x + c * y) / self.aspect > 0.5 - around / h
        found: NDArray[np.bool_] = (beyond_x | beyond_y) & (moves != 0).any(1)[:, None, None]
        return found


@dataclass(frozen=True)
class Linear:
    """A linear map from a picture's cells without a quarter to its movement."""

    seen: NDArray[np.bool_]
    mean: Floats
    weights: Floats
    offset: Floats

    @classmethod
    def taught(cls, cells: Floats, moves: Floats, of: NDArray[np.int64], quarter: int) -> Linear:
        """Ridge regression; every fourth picture chooses the penalty."""
        h, w = cells.shape[1:]
        seen = np.ones((h, w), bool)
        top, left = (quarter // 2) * (h // 2), (quarter % 2) * (w // 2)
        seen[top : top + h // 2 + h % 2, left : left + w // 2 + w % 2] = False
        x, y = _standardised(cells[:, seen]), moves / RANGE
        mean, offset = x.mean(0), y.mean(0)
        chosen = of % 4 == 0
        known, asked = x[~chosen] - mean, x[chosen] - mean
        values, vectors = np.linalg.eigh(known.T @ known)
        moments = vectors.T @ (known.T @ (y[~chosen] - offset))
        shown, unit = asked @ vectors, values.mean()

        def missed(penalty: float) -> float:
            told = shown @ (moments / (values + penalty * unit)[:, None]) + offset
            return float(((told - y[chosen])[:, :2] ** 2).mean())

        penalty = min(PENALTIES, key=missed)
        x = x - mean
        gram = x.T @ x
        gram += penalty * np.trace(gram) / len(gram) * np.eye(len(gram), dtype=gram.dtype)
        return cls(seen, mean, np.linalg.solve(gram, x.T @ (y - offset)), offset)

    def __call__(self, cells: Floats) -> Floats:
        """Shift and turn of each picture, [n,3]."""
        told = (_standardised(cells[:, self.seen]) - self.mean) @ self.weights + self.offset
        return np.asarray((told * RANGE)[:, :3], np.float32)


def told(maps: Sequence[Linear], cells: Floats) -> Floats:
    """The least amount where all maps agree on the direction; what is too small is none, [n,3]."""
    each = np.stack([one(cells) for one in maps])
    least = np.maximum(each.min(0), 0) + np.minimum(each.max(0), 0)
    return np.asarray(np.where(np.abs(least) > LEAST, least, 0), np.float32)


@dataclass(frozen=True)
class Lessons:
    """Made-up movements of good pictures: cells [n,h,w], movements [n,4], pictures' numbers [n]."""

    cells: Floats
    moves: Floats
    of: NDArray[np.int64]

    @classmethod
    def drawn(cls, good: NDArray[np.uint8], cells: Cells) -> Lessons:
        """Of grey pictures [n,h,w]; the same for the same pictures."""
        random = np.random.default_rng(1)
        shown, moves, of = [], [], []
        for _ in range(TAUGHT):
            move = RANGE * random.uniform(-1, 1, 4) * (random.uniform() > SHARE_STILL)
            number = int(random.integers(len(good)))
            shown.append(cells.of(cells.moved(good[number], tuple(move + STILL))))
            moves.append(move)
            of.append(number)
        return cls(np.stack(shown), np.array(moves, np.float32), np.array(of))

    def maps(self, which: NDArray[np.bool_]) -> list[Linear]:
        """Taught by some of the lessons."""
        part = self.cells[which], self.moves[which], self.of[which]
        return [Linear.taught(*part, quarter) for quarter in range(4)]


def gate(good: NDArray[np.uint8], cells: Cells, lessons: Lessons) -> tuple[float, float]:
    """Out of fold: share of good pictures told as moved, and of moved ones beyond `FAR`."""
    random = np.random.default_rng(5)
    fold = np.random.default_rng(3).permutation(len(good)) % FOLDS
    shifts = random.uniform(-0.04, 0.04, (len(good), 2))
    still = np.stack([cells.of(one) for one in good])
    moved = np.stack(
        [
            cells.of(cells.moved(one, (*shift, 0.0, 1.0)))
            for one, shift in zip(good, shifts.tolist(), strict=True)
        ]
    )
    so_told = np.zeros((2, len(good)), bool)
    for number in range(FOLDS):
        maps = lessons.maps(np.isin(lessons.of, np.flatnonzero(fold != number)))
        for row, shown in enumerate((still, moved)):
            so_told[row, fold == number] = told(maps, shown[fold == number]).any(1)
    far = (np.abs(shifts) > FAR).any(1)
    return float(so_told[0].mean()), float(so_told[1, far].mean())


def measure(root: Path, scratch: Path) -> dict[str, tuple[float, float, float, float]]:
    """By movement: good rejected and defective found in per cent, without and with the mask."""
    task = Task(root, Setting(), 1, scratch)
    moved = MovedSet.of(task, movements(choosing=True))
    subject = moved.subject
    height, width = subject.encoder.config.input_size
    good = np.stack([_grey(_read(path), width, height) for path in subject.pictures.good])
    first = subject.known.sizes[0]
    distances = subject.learned(0)
    moved.layers()
    tested = moved.distances(distances)
    answers = answered(replace(distances, tested=tested), subject.encoder)
    cells = Cells((answers.maps.shape[1], answers.maps.shape[2]), float(first[1] / first[0]))
    lessons = Lessons.drawn(good, cells)
    still, far = gate(good, cells, lessons)
    passes = still <= MOST_STILL and far >= LEAST_TOLD
    print(f"{root.name}: good told as moved {still:.1%}, moved ones {far:.0%}", flush=True)
    maps, limits = answers.maps.reshape(len(answers.maps), -1), answers.limits[0.05]
    pictures = np.array([one.picture for one in moved.shown])
    names = np.array([moved.moved[one.movement].name for one in moved.shown])
    masked = maps
    if passes:
        whole = {number: _read(moved.whole[number]) for number in set(pictures.tolist())}
        shown = np.stack(
            [
                cells.of(_grey(moved.moved[one.movement].alter(whole[one.picture]), width, height))
                for one in moved.shown
            ]
        )
        moves = told(lessons.maps(np.ones(len(lessons.of), bool)), shown)
        masked = np.where(cells.new(moves, AROUND).reshape(maps.shape), -np.inf, maps)

    def rejected(values: NDArray[np.floating]) -> NDArray[np.bool_]:
        highest = np.sort(values, 1)[:, -SCORED_CELLS:]
        found: NDArray[np.bool_] = (highest.mean(1) > limits.image) | (
            highest[:, -1] > limits.pixel
        )
        return found

    before, after = rejected(maps), rejected(masked)
    bad = np.asarray(subject.defective)[pictures]
    return {
        name: tuple(
            100 * float(one[(names == name) & part].mean())
            for one in (before, after)
            for part in (~bad, bad)
        )  # type: ignore[misc]
        for name in dict.fromkeys(names.tolist())
    }


def _standardised(values: Floats) -> Floats:
    around = values - values.mean(1, keepdims=True)
    return np.asarray(around / (np.linalg.norm(around, axis=1, keepdims=True) + 1e-6), np.float32)


def _grey(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    grey, half = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (width // 2, height // 2)
    return np.asarray(cv2.resize(grey, half, interpolation=cv2.INTER_AREA), np.uint8)


def _read(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, path
    return np.asarray(picture, np.uint8)


def main(data: Path, scratch: Path, names: Sequence[str]) -> None:
    """Prints good rejected / found by movement, before -> after, of each set and the mean."""
    sets = names or [one.name for one in sorted(data.iterdir()) if (one / "train/good").is_dir()]
    found = {name: measure(data / name, scratch) for name in sets}
    for movement in (*CHOSEN_ON, "random"):
        rows = np.array([found[name][movement] for name in sets])
        each = (
            f"{name} {a:.0f}/{b:.0f} -> {c:.0f}/{d:.0f}"
            for name, (a, b, c, d) in zip(sets, rows, strict=True)
            if (a, b) != (c, d)
        )
        a, b, c, d = rows.mean(0)
        print(f"{movement:15s} mean {a:.1f}/{b:.1f} -> {c:.1f}/{d:.1f}; ", *each, sep=" ")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
