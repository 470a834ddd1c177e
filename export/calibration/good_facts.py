"""The facts of the good pictures that calibrate, as the service finds them at the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.calibration.parts import Parts
from export.pictures import MAX_PIXELS, named
from service.core.inspection.offline import View, facts_offline
from service.core.pictures.facts import (
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


def _facts(path: Path, view: View) -> PictureFacts:
    with named(path):
        return facts_offline(path.read_bytes(), view, MAX_PIXELS)
