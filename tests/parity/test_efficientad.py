"""Our EfficientAD with the weights of the public code gives what the public code gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from takt_models.checkpoints.formats import load_checkpoint
from takt_models.efficientad.detector import Differences, EfficientAd

TOLERANCE = 1e-4
PICTURES = range(4)


@dataclass(frozen=True)
class Case:
    """A model with foreign weights, what it and the foreign code computed, and where it lies."""

    folder: Path
    model: EfficientAd
    raw: Differences
    expected: Mapping[str, NDArray[np.float32]]

    def of(self, index: int) -> Differences:
        """The raw maps [1,1,56,56] of one picture."""
        return Differences(*(maps[index : index + 1] for maps in self.raw))

    def final_map(self, index: int) -> NDArray[np.float32]:
        """The foreign code's map, at the size at which it gave it."""
        if self.model.config.recipe == "anomalib":
            return np.asarray(self.expected["final_map"][index])
        return np.asarray(self.expected[f"final_map_{index}"])


def assert_alike(ours: Tensor, theirs: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=TOLERANCE)


@torch.no_grad()
def computed(
    folder: Path, model: EfficientAd, x: Tensor, expected: Mapping[str, NDArray[np.float32]]
) -> Case:
    return Case(folder, model, model.differences(x), expected)


@pytest.fixture(scope="module")
def anomalib(fixtures: Path) -> Case:
    folder = fixtures / "efficientad_anomalib_s"
    model = load_checkpoint(folder / "model.ckpt").model
    assert isinstance(model, EfficientAd)
    expected = np.load(folder / "expected.npz")
    return computed(folder, model, model.normalize(torch.from_numpy(expected["input"])), expected)


@pytest.fixture(scope="module")
def nelson1425(fixtures: Path) -> Case:
    folder = fixtures / "efficientad_nelson_s"
    expected = np.load(folder / "expected.npz")
    model = load_checkpoint(folder).model
    assert isinstance(model, EfficientAd)
    for name in ("teacher_mean", "teacher_std", "quantiles"):
        getattr(model, name).copy_(torch.from_numpy(expected[name]))
    return computed(folder, model, torch.from_numpy(expected["input"]), expected)


@pytest.fixture(scope="module", params=["anomalib", "nelson1425"])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("index", PICTURES)
def test_the_raw_maps_are_theirs(case: Case, index: int) -> None:
    ours = case.of(index)
    assert_alike(ours.st[0, 0], case.expected["raw_map_st"][index])
    assert_alike(ours.ae[0, 0], case.expected["raw_map_ae"][index])


@pytest.mark.parametrize("index", PICTURES)
def test_the_final_map_and_the_score_are_theirs(case: Case, index: int) -> None:
    theirs = case.final_map(index)
    ours = case.model.combine(case.of(index), (theirs.shape[0], theirs.shape[1]))[0, 0]
    assert_alike(ours, theirs)
    assert_alike(ours.max(), case.expected["image_score"][index])


@torch.no_grad()
def test_the_whole_model_gives_the_map_and_the_score_of_anomalib(anomalib: Case) -> None:
    anomaly_map, score = anomalib.model(torch.from_numpy(anomalib.expected["input"][1:2]))
    assert_alike(anomaly_map[0], anomalib.expected["final_map"][1])
    assert_alike(score[0], anomalib.expected["image_score"][1])


@pytest.mark.parametrize("index", PICTURES)
def test_the_combined_map_of_nelson1425_is_theirs(nelson1425: Case, index: int) -> None:
    ours = nelson1425.model.scale(nelson1425.of(index))[0, 0]
    assert_alike(ours, nelson1425.expected["map_combined_56"][index])


def test_the_quantiles_of_anomalib_lie_where_we_read_them(anomalib: Case) -> None:
    np.testing.assert_array_equal(anomalib.model.quantiles, anomalib.expected["quantiles"])
