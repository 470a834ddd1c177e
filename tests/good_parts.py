"""A bundle that knows what its good pictures look like, as a calibration leaves it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.writing import replace_calibration
from takt.core.domain import ModelInput
from takt.core.pictures.facts import look_of, looks_without_each, picture_facts, with_answer
from takt.core.pictures.good_facts import LEAST, GoodFacts
from takt.core.pictures.prepare import prepare


def good_part(seed: int, level: int = 60) -> bytes:
    """A PNG of 64 × 48 of a part with a texture, about the level of the tests' other pictures."""
    texture = np.random.default_rng(0).normal(0, 8, (48, 64, 1))
    noise = np.random.default_rng(seed).normal(0, 1.5, (48, 64, 3))
    picture = np.clip(level + texture + noise, 0, 255).astype(np.uint8)
    return cv2.imencode(".png", picture)[1].tobytes()


def known_facts(
    inputs: Sequence[ModelInput], answers: Sequence[tuple[float, float]], size: tuple[int, int]
) -> GoodFacts:
    """The facts of good pictures.

    Args:
        inputs: what the model sees of each.
        answers: level of its map, and its score.
        size: width and height of the pictures as they came.
    """
    seen = [picture_facts(levels, *size) for levels in inputs]
    smalls = [facts.small for facts in seen]
    table = [
        with_answer(facts.beside(look), *answer)
        for facts, look, answer in zip(seen, looks_without_each(smalls), answers, strict=True)
    ]
    return GoodFacts(np.stack(table), look_of(smalls))


def with_good_facts(bundle: Bundle, count: int = LEAST + 4) -> Bundle:
    """The bundle on the disk, with the facts of so many good parts."""
    spec = bundle.manifest.preprocess
    inputs = [prepare(good_part(seed), spec, 10**6).model_input for seed in range(count)]
    facts = known_facts(inputs, [(0.2, 0.3)] * count, (64, 48))
    return replace_calibration(
        bundle,
        facts.put_into(bundle.calibration),
        bundle.manifest.thresholds,
        bundle.manifest.map.low,
    )
