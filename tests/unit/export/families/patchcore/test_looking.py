from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_export.families.patchcore.looking import GRAPH_FROM, seen_by_graph, seen_in
from takt_models.fit.device import Compute
from takt_models.fit.patchcore.looked import looked_at
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from tests.patchcore import a_patchcore

pytestmark = pytest.mark.torch

CPU = Compute.choose("cpu", bf16=False)


def load(path: Path) -> NDArray[np.uint8]:
    if path.suffix != ".png":
        raise ValueError(f"{path} is no picture")
    return np.random.default_rng(int(path.stem)).integers(0, 256, (96, 160, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> PatchCore:
    model = a_patchcore(PatchCoreConfig((30, 40), width=160, height=96, directions=3))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for bank in model.banks:
            bank.vectors.normal_()
        assert model.head is not None
        model.head.directions.normal_()
    return model


def test_a_graph_sees_what_torch_sees(model: PatchCore) -> None:
    pictures = [Path(f"{number}.png") for number in range(6)]
    by_torch = [*looked_at(model, pictures, load, CPU)]
    by_graph = [*seen_by_graph(model, pictures, load)]
    assert len(by_graph) == 6
    for one, other in zip(by_torch, by_graph, strict=True):
        steps = (one.cells.int() - other.cells.int()).abs()
        # Where rounding turns a cell, it is by one step of sixteen.
        assert int(steps.max()) <= 1 and float(steps.float().mean()) < 1e-3
        torch.testing.assert_close(other.oddness, one.oddness, rtol=1e-4, atol=1e-4)
        for name in ("bank_score", "bank_peak", "score", "peak"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-4, abs=1e-4)


def test_a_picture_that_cannot_be_read_ends_the_looking(model: PatchCore) -> None:
    pictures = [Path(f"{number}.png") for number in range(GRAPH_FROM - 1)]
    with pytest.raises(ValueError, match="no picture"):
        [*seen_in(model, [Path("a.txt"), *pictures], load, CPU)]
