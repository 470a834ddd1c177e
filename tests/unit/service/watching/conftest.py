"""Facts of pictures that are made up: normal ones, none depends on another."""

from __future__ import annotations

import numpy as np
import pytest

from takt.watching.calibration import CalibratedFacts

FACTS = ("brightness", "contrast", "sharpness", "clipped", "score")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def calibration() -> CalibratedFacts:
    return CalibratedFacts(FACTS, np.random.default_rng(3).normal(size=(200, len(FACTS))))
