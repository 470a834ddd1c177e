"""A bundle that knows what its good pictures look like, as a calibration leaves it."""

from __future__ import annotations

import cv2
import numpy as np

from service.core.bundles.bundle import Bundle
from service.core.bundles.writing import replace_calibration
from service.core.pictures.facts import look_of, looks_without_each
from service.core.pictures.good_facts import LEAST, GoodFacts
from service.core.pictures.prepare import prepare


def good_part(seed: int, level: int = 60) -> bytes:
    """A PNG of 64 × 48 of a part with a texture, about the level of the tests' other pictures."""
    texture = np.random.default_rng(0).normal(0, 8, (48, 64, 1))
    noise = np.random.default_rng(seed).normal(0, 1.5, (48, 64, 3))
    picture = np.clip(level + texture + noise, 0, 255).astype(np.uint8)
    return cv2.imencode(".png", picture)[1].tobytes()


def with_good_facts(bundle: Bundle, count: int = LEAST + 4) -> Bundle:
    """The bundle on the disk, with the facts of so many good parts."""
    seen = [
        prepare(good_part(seed), bundle.manifest.preprocess, 10**6, with_facts=True).facts
        for seed in range(count)
    ]
    known = [facts for facts in seen if facts is not None]
    smalls = [facts.small for facts in known]
    table = [
        facts.beside(look, 0.2, 0.3)
        for facts, look in zip(known, looks_without_each(smalls), strict=True)
    ]
    facts = GoodFacts(np.stack(table), look_of(smalls))
    return replace_calibration(
        bundle,
        facts.put_into(bundle.calibration),
        bundle.manifest.thresholds,
        bundle.manifest.map.low,
    )
