"""Our INP-Former with the weights of the public code gives what the public code gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from takt_models.dinov2.maps import Groups
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.weights import ANOMALIB, OFFICIAL, from_state

TOLERANCE = 5e-5
PICTURES = range(4)


@dataclass(frozen=True)
class Case:
    """A model with foreign weights, what it made of the pictures, and what the foreign code did."""

    model: InpFormer
    groups: Groups
    group_maps: Tensor
    distance: Tensor
    expected: Mapping[str, NDArray[np.float32]]

    @property
    def input(self) -> Tensor:
        return torch.from_numpy(self.expected["input"])

    @property
    def final_map(self) -> NDArray[np.float32]:
        return self.expected[f"final_map_{self.model.map_size[0]}"]

    def finish(self, patch_map: Tensor) -> Tensor:
        return self.model.smooth(self.model.enlarge(patch_map))


class StandIn(str):
    """For an enum of anomalib's that its checkpoints hold and nobody here needs."""


def assert_alike(ours: Tensor, theirs: Any) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=TOLERANCE)


@torch.no_grad()
def computed(folder: Path, model: InpFormer) -> Case:
    expected = np.load(folder / "expected.npz")
    features = model.encode(torch.from_numpy(expected["input"]))
    fused = model.fuse(features)
    inps = model.extract(fused)
    groups = model.group(features, model.decode(fused, inps))
    return Case(model, groups, model.group_maps(groups), model.distance(fused, inps), expected)


@pytest.fixture(scope="module")
def official(fixtures: Path) -> Case:
    folder = fixtures / "inpformer_official_micro"
    state = torch.load(folder / "model.pth", "cpu", weights_only=True)
    return computed(folder, from_state(state, OFFICIAL))


@pytest.fixture(scope="module")
def anomalib(fixtures: Path) -> Case:
    folder = fixtures / "inpformer_anomalib_micro"
    allowed: list[Any] = [(StandIn, "anomalib.PrecisionType")]
    with torch.serialization.safe_globals(allowed):
        stored = torch.load(folder / "model.ckpt", "cpu", weights_only=True)["state_dict"]
    state = {
        name.removeprefix("model."): value
        for name, value in stored.items()
        if not name.startswith("post_processor.")
    }
    return computed(folder, from_state(state, ANOMALIB))


@pytest.fixture(scope="module", params=["official", "anomalib"])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("index", PICTURES)
def test_the_maps_of_both_groups_are_theirs(case: Case, index: int) -> None:
    assert_alike(case.group_maps[index], case.expected["group_maps_28"][index])


@pytest.mark.parametrize("index", PICTURES)
def test_the_final_map_and_the_score_are_theirs(case: Case, index: int) -> None:
    ours = case.finish(case.group_maps[index : index + 1].mean(1))
    assert_alike(ours[0], case.final_map[index])
    assert_alike(case.model.score(ours)[0], case.expected["image_score"][index])


@pytest.mark.parametrize("index", PICTURES)
def test_the_distance_to_the_nearest_inp_and_its_mean_are_theirs(case: Case, index: int) -> None:
    ours = case.distance[index : index + 1]
    assert_alike(ours[0], case.expected["zs_distance_28"][index])
    assert_alike(case.model.coherence(ours)[0], case.expected["inp_loss"][index])


@torch.no_grad()
def test_a_picture_as_it_comes_gives_their_map_and_score(case: Case) -> None:
    picture = case.input[:1] * case.model.pixel_std + case.model.pixel_mean
    anomaly_map, score = case.model(picture)
    assert_alike(anomaly_map, case.final_map[:1])
    assert_alike(score, case.expected["image_score"][:1])


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_the_official_groups_of_tokens_are_theirs(official: Case, side: str) -> None:
    tokens = torch.stack([group[0] for group in getattr(official.groups, side)])
    every_fourth = tokens.unflatten(1, (28, 28))[:, ::4, ::4].permute(0, 3, 1, 2)
    assert_alike(every_fourth, official.expected[f"{side}_groups_picture0"])


@pytest.mark.parametrize("index", PICTURES)
def test_the_official_enlarged_map_is_theirs(official: Case, index: int) -> None:
    ours = official.model.enlarge(official.group_maps[index : index + 1].mean(1))
    assert_alike(ours[0, ::8, ::8], official.expected["raw_map_392_stride8"][index])


@torch.no_grad()
@pytest.mark.parametrize("index", PICTURES)
def test_the_official_zero_shot_map_and_score_are_theirs(official: Case, index: int) -> None:
    ours = official.finish(official.distance[index : index + 1])
    assert_alike(ours[0], official.expected["zs_final_map_256"][index])
    assert_alike(official.model.score(ours)[0], official.expected["zs_image_score"][index])


@torch.no_grad()
def test_the_zero_shot_mode_answers_with_the_official_zero_shot_map(official: Case) -> None:
    picture = official.input[:1] * official.model.pixel_std + official.model.pixel_mean
    anomaly_map, score = official.model.in_mode("zero_shot")(picture)
    assert_alike(anomaly_map, official.expected["zs_final_map_256"][:1])
    assert_alike(score, official.expected["zs_image_score"][:1])
