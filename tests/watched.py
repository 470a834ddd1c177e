"""Pictures of a part in a light that may fade, and a bundle that knows what is usual."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle, Calibration, load_bundle
from takt.core.bundles.writing import replace_calibration
from takt.core.pictures.preprocess import preprocess
from tests.good_parts import known_facts

COUNT = 60
"""Good pictures that say what is usual."""


def picture(seed: int, light: float = 1.0) -> NDArray[np.uint8]:
    """A grey part in a light that varies a little."""
    rng = np.random.default_rng(seed)
    levels = np.full((48, 64), 60.0)
    levels[12:36, 16:48] = 90
    levels = levels * light * rng.normal(1, 0.01) + rng.normal(0, 2, levels.shape)
    return np.repeat(np.clip(levels, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def encoded(seed: int, light: float = 1.0) -> bytes:
    """The same as a PNG."""
    done, data = cv2.imencode(".png", picture(seed, light))
    assert done
    return data.tobytes()


def with_facts(bundle: Bundle) -> Bundle:
    """The bundle with the facts of good pictures, written to its folder."""
    spec = bundle.manifest.preprocess
    inputs = [preprocess(picture(at), spec) for at in range(COUNT)]
    # The model answers brightness, and its highest value is the score.
    maps = [levels.mean(axis=2) / 255 for levels in inputs]
    answers = [(float(answer.mean()), float(answer.max())) for answer in maps]
    known = known_facts(inputs, answers, (64, 48))
    scores = np.float32([answer.max() for answer in maps])
    none = np.zeros(0, np.float32)
    calibration = known.put_into(Calibration(scores, scores, none, none))
    replace_calibration(bundle, calibration, bundle.manifest.thresholds, 0.1)
    return load_bundle(bundle.path)
