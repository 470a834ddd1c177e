"""What movement a model bears: good pictures moved more and more, until too many are rejected.

Each kind of movement is shown by some good pictures. What it adds to a picture's score and to the
highest value of its map is added to those of every good picture: so a few moved pictures tell the
share of all that would be rejected, where counting them would tell twentieths.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from takt.core.bundles.bearing import (
    FEWEST_PICTURES,
    Bearing,
    KindBorne,
    MovedShare,
    MovementKind,
)
from takt.core.domain import RawPicture
from takt.core.errors import CalibrationError
from takt.core.inspection.offline import View, facts_offline
from takt.core.pictures.facts import with_answer
from takt.core.pictures.good_facts import GoodFacts
from takt_export.calibration.outliers import outliers
from takt_export.calibration.subject import Subject
from takt_export.pictures import MAX_PIXELS, read_picture
from takt_models.fit.patchcore.moving import Movement

MAGNITUDES: Mapping[MovementKind, tuple[float, ...]] = MappingProxyType(
    {
        "shift": (1, 2, 3, 4, 6),
        "turn": (1, 2, 3, 5),
        "light": (5, 10, 15, 20),
        "noise": (1, 2, 3),
    }
)
"""Per cent of both sides, degrees, per cent of the light, and levels."""

SHOWN = 15
"""Pictures that show a kind of movement."""

MARGIN = 0.03
"""Share of the good pictures that may be rejected beyond α."""

BUDGET_S = 30.0
"""Time after which a slow model is shown no further kind."""


def bearing(subject: Subject, pictures: Sequence[Path], alpha: float, *, quiet: bool) -> Bearing:
    """What a model bears.

    Args:
        subject: the model.
        pictures: the good pictures, in the order of the subject's scores.
        alpha: false-reject rate of the thresholds.
        quiet: show no progress bar.

    Raises:
        PicturesError: a picture cannot be read.
    """
    limit = alpha + MARGIN
    if len(pictures) < FEWEST_PICTURES:
        return Bearing(pictures=len(pictures), limit=limit, kinds=())
    # Outliers are rejected however they lie.
    usual = ~outliers(subject.good_score, subject.good_peak)
    found: list[KindBorne] = []
    begun_s = time.monotonic()
    kinds = tqdm(MAGNITUDES, desc="movement", unit="kind", disable=quiet or None)
    for number, kind in enumerate(kinds):
        if found and time.monotonic() - begun_s > BUDGET_S:
            break
        rows = _spread(len(pictures), number)
        found.append(_borne(subject, usual, pictures, rows, kind, limit))
    return Bearing(pictures=len(pictures), limit=limit, kinds=tuple(found))


def raised_to_bear(
    subject: Subject,
    pictures: Sequence[Path],
    asked: Mapping[MovementKind, float],
    alpha: float,
) -> float:
    """By how much both thresholds have to rise for a model to bear movements; 1 if it does.

    Args:
        subject: the model.
        pictures: the good pictures, in the order of the subject's scores.
        asked: how much of each kind is to be borne.
        alpha: false-reject rate of the thresholds.

    Raises:
        CalibrationError: the pictures are too few to tell, or a threshold is not above 0.
        PicturesError: a picture cannot be read.
    """
    if len(pictures) < FEWEST_PICTURES:
        raise CalibrationError(
            f"--movement needs at least {FEWEST_PICTURES} good pictures to move, and there are "
            f"{len(pictures)}: give more, or leave it out"
        )
    limits = np.array((subject.thresholds.image, subject.thresholds.pixel))
    if (limits <= 0).any():
        raise CalibrationError(
            f"--movement raises thresholds above 0, and these are {limits[0]:.6g} and "
            f"{limits[1]:.6g}: leave it out"
        )
    usual = ~outliers(subject.good_score, subject.good_peak)
    factor = 1.0
    for number, kind in enumerate(MAGNITUDES):
        for magnitude in {asked[kind] / 2, asked[kind]} if kind in asked else ():
            rows = _spread(len(pictures), number)
            moved = [_moved(subject, pictures[row], movement(kind, magnitude, row)) for row in rows]
            needed = (_as_moved(subject, usual, rows, np.array(moved)) / limits).max(2)
            factor = max(factor, float(np.quantile(needed, 1 - alpha - MARGIN, method="higher")))
    return factor


def with_borne(
    known: GoodFacts, bears: Bearing | None, pictures: Sequence[Path], view: View
) -> GoodFacts:
    """The facts of good pictures with those of some that are moved by all that a model bears.

    Args:
        known: facts of the pictures as they are.
        bears: what the model bears; where that is not known, nothing is added.
        pictures: the good pictures that told it.
        view: how the model sees them.

    Raises:
        PicturesError: a picture cannot be read.
    """
    if bears is None or not bears.kinds:
        return known
    rows = [known.table[:0]]
    for number, kind in enumerate(MAGNITUDES):
        if bound := bears.bound(kind):
            for row in _spread(len(pictures), number):
                picture = read_picture(pictures[row], spec=view.preprocess)
                moved = movement(kind, bound, row).of(picture)
                height, width, _ = moved.shape
                raw = RawPicture(moved.tobytes(), width, height, "rgb8")
                facts = facts_offline(raw, view, MAX_PIXELS).beside(known.look)
                rows.append(with_answer(facts, math.nan, math.nan)[np.newaxis])
    return replace(known, borne=np.concatenate(rows))


def movement(kind: MovementKind, magnitude: float, number: int) -> Movement:
    """One to a side that is drawn by a number.

    >>> movement("light", 10, 0).gain, movement("light", 10, 1).gain
    (1.1, 0.9)
    """
    one, other = np.random.default_rng(number).choice((-1.0, 1.0), 2).tolist()
    match kind:
        case "shift":
            return Movement(shift_x=one * magnitude / 100, shift_y=other * magnitude / 100)
        case "turn":
            return Movement(degrees=one * magnitude)
        case "light":
            return Movement(gain=1 + one * magnitude / 100)
        case "noise":
            return Movement(noise=magnitude, seed=number)


def _spread(count: int, number: int) -> list[int]:
    """Numbers of the pictures that show a kind, evenly, and others than show the kind before."""
    step = len(MAGNITUDES)
    return sorted({place * count // (SHOWN * step) for place in range(number, SHOWN * step, step)})


def _borne(
    subject: Subject,
    usual: NDArray[np.bool_],
    pictures: Sequence[Path],
    rows: Sequence[int],
    kind: MovementKind,
    limit: float,
) -> KindBorne:
    steps, bound = [], 0.0
    for magnitude in MAGNITUDES[kind]:
        moved = [_moved(subject, pictures[row], movement(kind, magnitude, row)) for row in rows]
        share = _rejected(subject, usual, rows, np.array(moved))
        steps.append(MovedShare(magnitude=magnitude, rejected=share))
        if share > limit:
            break
        bound = magnitude
    return KindBorne(kind=kind, bound=bound, steps=tuple(steps))


def _moved(subject: Subject, path: Path, by: Movement) -> tuple[float, float]:
    picture = subject.read(path)
    height, width, _ = picture.shape
    # What is mirrored in at the border is no part of the line.
    return subject.look_unseen(path, by.of(picture), by.shown(width, height))


def _rejected(
    subject: Subject, usual: NDArray[np.bool_], rows: Sequence[int], moved: NDArray[np.float64]
) -> float:
    """The share of the usual good pictures that would be rejected.

    Args:
        subject: the model.
        usual: which good pictures these are.
        rows: numbers of the pictures that were moved.
        moved: their scores and highest map values, [n,2].
    """
    limits = subject.thresholds.image, subject.thresholds.pixel
    return float((_as_moved(subject, usual, rows, moved) > limits).any(2).mean())


def _as_moved(
    subject: Subject, usual: NDArray[np.bool_], rows: Sequence[int], moved: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score and highest value [usual,rows,2] of each usual picture, moved as each of the rows."""
    as_they_are = np.stack([subject.good_score, subject.good_peak], 1).astype(np.float64)
    return as_they_are[usual, None] + (moved - as_they_are[[*rows]])
