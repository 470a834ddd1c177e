"""The facts of the good pictures that calibrate, as the service finds them at the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from takt.core.bundles.bundle import Bundle
from takt.core.inspection.offline import View, facts_offline
from takt.core.pictures.facts import (
    FACT_NAMES,
    PictureFacts,
    look_of,
    look_with,
    looks_without_each,
    with_answer,
)
from takt.core.pictures.good_facts import LEAST, MOST, GoodFacts
from takt.core.pictures.judgeable import FactLimits
from takt_export.calibration.parts import Parts
from takt_export.calibration.poses import taught_poses
from takt_export.pictures import MAX_PIXELS, named

FOLDS = 5
"""In which good pictures are held against the limits of the others."""


def good_facts(
    pictures: Sequence[Path],
    parts: Parts,
    view: View,
    level: NDArray[np.float32],
    score: NDArray[np.float32],
    *,
    quiet: bool,
) -> GoodFacts | None:
    """The facts of good pictures, of one of each part; evenly spread ones, if a bundle keeps fewer.

    Further pictures of a part are too like the first one to say how parts differ.

    Args:
        pictures: that calibrate [n].
        parts: that these show.
        view: how the model sees them.
        level: mean of each one's map [n]; NaN where it is unknown.
        score: of each, by a model that has not seen it [n].
        quiet: show no progress bar.

    Returns:
        None where there are too few parts to say what is usual.

    Raises:
        PicturesError: a picture cannot be read.
    """
    if parts.count < LEAST:
        return None
    chosen, seen = _seen(pictures, parts, view, quiet=quiet)
    smalls = [facts.small for facts in seen]
    poses = taught_poses(smalls, float(np.median([1 / facts.aspect for facts in seen])))
    rows = [
        with_answer(facts.beside(replace(look, poses=unseen)), float(level[at]), float(score[at]))
        for at, facts, look, unseen in zip(
            chosen, seen, looks_without_each(smalls), poses.unseen, strict=True
        )
    ]
    return GoodFacts(np.stack(rows), replace(look_of(smalls), poses=poses.all))


def with_further(
    known: GoodFacts,
    pictures: Sequence[Path],
    parts: Parts,
    view: View,
    level: NDArray[np.float32],
    score: NDArray[np.float32],
    *,
    quiet: bool,
) -> GoodFacts:
    """The facts of good pictures with those of further ones, however few these are.

    The further ones are held against what the former ones look like.

    Args:
        known: facts of the former pictures.
        pictures: the further ones [n]; there may be none.
        parts: that these show.
        view: how the model sees them.
        level: mean of each one's map [n]; NaN where it is unknown.
        score: of each, by a model that has not seen it [n].
        quiet: show no progress bar.

    Raises:
        PicturesError: a picture cannot be read.
    """
    chosen, seen = _seen(pictures, parts, view, quiet=quiet)
    if not seen:
        return known
    rows = [
        with_answer(facts.beside(known.look), float(level[at]), float(score[at]))
        for at, facts in zip(chosen, seen, strict=True)
    ]
    former = len(known.table)
    table = np.concatenate([known.table, np.stack(rows)])
    kept = min(len(table), MOST)
    look = look_with(known.look, former, [facts.small for facts in seen])
    return GoodFacts(table[np.arange(kept) * len(table) // kept], look, known.borne)


def facts_taken_over(
    former: Bundle, level: NDArray[np.float32], score: NDArray[np.float32]
) -> GoodFacts | None:
    """The facts that a version knows, for a model that rests on the same good pictures as well.

    What a picture tells by itself stays. What the model answers is the new one's, where the former
    score tells which picture it was.

    Args:
        former: the version.
        level: mean of the new model's map of each part [n]; NaN where it is unknown. The first
            ones are those of the version, in the order of its calibration.
        score: of each, by the new model [n].

    Returns:
        None where the version knows none.
    """
    facts = GoodFacts.of(former.calibration)
    if facts is None:
        return None
    before = former.calibration.good_score.tolist()
    by_fit = former.manifest.thresholds.of_fit and len(before) <= len(score)
    answers = zip(level.tolist(), score.tolist(), strict=True)
    now = dict(zip(before, answers, strict=False)) if by_fit else {}
    at = FACT_NAMES.index("score")
    rows = [with_answer(row.copy(), *now.get(float(row[at]), (nan, nan))) for row in facts.table]
    return GoodFacts(np.stack(rows), facts.look, facts.borne)


def undecided_by_default(known: GoodFacts | None) -> bool:
    """Whether a model may leave pictures undecided that lie beyond good ones and what it bears.

    Only where none of the good pictures would be, by limits of four fifths of the others, and where
    it is known what the model bears: what it judges well it is to judge.
    """
    if known is None or not len(known.borne):
        return False
    number = np.arange(len(known.table)) % FOLDS
    if np.count_nonzero(number != 0) < LEAST:
        return False
    return not any(
        limits.reason(row)
        for fold in range(FOLDS)
        for limits in [FactLimits.of(replace(known, table=known.table[number != fold]))]
        for row in known.table[number == fold]
    )


def _seen(
    pictures: Sequence[Path], parts: Parts, view: View, *, quiet: bool
) -> tuple[list[int], list[PictureFacts]]:
    """What is looked at, one picture of each part at most, and what it tells by itself."""
    first, kept = parts.first, min(parts.count, MOST)
    chosen = [first[at * parts.count // kept] for at in range(kept)]
    bar = tqdm(chosen, desc="facts of good pictures", unit="picture", disable=quiet or None)
    return chosen, [_facts(pictures[at], view) for at in bar]


def _facts(path: Path, view: View) -> PictureFacts:
    with named(path):
        return facts_offline(path.read_bytes(), view, MAX_PIXELS)
