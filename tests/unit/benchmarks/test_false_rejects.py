from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.false_rejects import ALPHAS, FITTED, known_features, rates
from models.patchcore.config import PatchCoreConfig
from tests.patchcore import a_patchcore
from tests.real_pictures import real_pictures

SHAPES = ((8, 40), (2, 112))
"""Cells and channels of each layer for a picture of 32 x 16."""

BANK_SIZE = 750
"""A quarter of the usual one, for the sake of time."""


@pytest.fixture(scope="session")
def data() -> Path:
    return real_pictures()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deeppcb", "bsdata_pitting"])
def test_over_fifty_fits_at_most_alpha_and_half_a_point_of_good_pictures_is_rejected(
    data: Path, name: str
) -> None:
    model, known = known_features(data / name)

    found = rates(model, known, 50, BANK_SIZE)

    for row in found:
        print(row.text())
    assert [row.alpha for row in found] == [*ALPHAS]
    for row in found:
        assert len(row.score) == 50
        assert np.mean(row.score) <= row.alpha + 0.005
        assert np.mean(row.peak) <= row.alpha + 0.005


def test_made_up_features_give_a_rate_for_each_alpha() -> None:
    draw = torch.Generator().manual_seed(0)
    known = [
        [torch.randn(cells, channels, generator=draw).half() for cells, channels in SHAPES]
        for _ in range(FITTED + 20)
    ]

    found = rates(a_patchcore(PatchCoreConfig((1, 1), 32, 16)), known, splits=2, bank_size=100)

    assert [row.alpha for row in found] == [*ALPHAS]
    for row in found:
        assert row.alpha < row.proven < 2 * row.alpha + 0.05
        assert np.mean(row.score) < 0.2
