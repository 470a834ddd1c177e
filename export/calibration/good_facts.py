"""The facts of the good pictures that calibrate, as the service finds them at the line."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.calibration.cross_conformal import OutOfFoldScores
from export.calibration.parts import Parts
from export.pictures import MAX_PIXELS, named
from service.core.bundles.bundle import Bundle
from service.core.inspection.offline import View, facts_offline
from service.core.pictures.facts import (
    FACT_NAMES,
    PictureFacts,
    look_of,
    looks_without_each,
    with_answer,
)
from service.core.pictures.good_facts import LEAST, MOST, GoodFacts


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
    first, kept = parts.first, min(parts.count, MOST)
    chosen = [first[at * parts.count // kept] for at in range(kept)]
    seen = [
        _facts(pictures[at], view)
        for at in tqdm(chosen, desc="facts of good pictures", unit="picture", disable=quiet or None)
    ]
    smalls = [facts.small for facts in seen]
    rows = [
        with_answer(facts.beside(look), float(level[at]), float(score[at]))
        for at, facts, look in zip(chosen, seen, looks_without_each(smalls), strict=True)
    ]
    return GoodFacts(np.stack(rows), look_of(smalls))


def facts_taken_over(former: Bundle, scored: OutOfFoldScores) -> GoodFacts | None:
    """The facts that a version knows, for a model that rests on the same good pictures.

    What a picture tells by itself stays. Its score is the new one, where the former one tells which
    picture it was: the two are scores of the same parts in the same order.

    Args:
        former: the version.
        scored: what the new model says of them.

    Returns:
        None where the version knows none.
    """
    facts = GoodFacts.of(former.calibration)
    if facts is None:
        return None
    before = former.calibration.good_score.tolist()
    by_fit = former.manifest.thresholds.promise == "measured" and len(before) == len(scored.score)
    now = dict(zip(before, scored.score.tolist(), strict=True)) if by_fit else {}
    score = FACT_NAMES.index("score")
    rows = [with_answer(row.copy(), nan, now.get(float(row[score]), nan)) for row in facts.table]
    return GoodFacts(np.stack(rows), facts.look)


def _facts(path: Path, view: View) -> PictureFacts:
    with named(path):
        return facts_offline(path.read_bytes(), view, MAX_PIXELS)
