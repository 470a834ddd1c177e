"""Our Dinomaly with drawn weights gives what the public code gave with the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.checkpoints.facts import Checkpoint
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.dinomaly.detector import Dinomaly
from tests.parity.dinomaly.drawn import CASES, STRIDE, Case

ANSWERS = Path(__file__).parents[2] / "data" / "dinomaly"
SCORE = 1e-5
"""Share of a score by which it may differ, or else twice theirs in float32 from float64."""
MAP = 1e-4
"""Share of a map's span by which it may differ."""


@dataclass(frozen=True)
class Loaded:
    """A checkpoint with drawn weights, our answer and theirs."""

    case: Case
    checkpoint: Checkpoint
    anomaly_map: NDArray[np.float32]
    score: NDArray[np.float32]
    theirs: Mapping[str, NDArray[np.float64]]


def saved(case: Case, path: Path) -> Path:
    """The file that the code base would have saved."""
    state = case.state()
    if case.owner == "official":
        torch.save(state, path)
        return path
    resize = {"size": [case.height, case.width]}
    normalize = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    transforms = [
        {"class_path": "torchvision.transforms.v2.Resize", "init_args": resize},
        {"class_path": "torchvision.transforms.v2.Normalize", "init_args": normalize},
    ]
    compose = {"class_path": "Compose", "init_args": {"transforms": transforms}}
    trained = {name: value for name, value in state.items() if not name.startswith("encoder.")}
    torch.save(
        {
            "pytorch-lightning_version": "2.6.6",
            "state_dict": {f"model.{name}": value for name, value in state.items()}
            | {f"trainable_modules.{name}": value for name, value in trained.items()}
            | {"model.gaussian_blur.kernel": torch.full((1, 1, 5, 5), 0.04)},
            "hyper_parameters": {"precision": "float32", **dict(case.hyper)},
            "anomalib_pre_processor_config": {"transform": compose},
        },
        path,
    )
    return path


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    case: Case = request.param
    path = tmp_path_factory.mktemp(case.name) / "model.pth"
    checkpoint = load_checkpoint(saved(case, path))
    model = checkpoint.model
    assert isinstance(model, Dinomaly)
    if case.owner == "official":
        # Its files do not tell the size of the input, so that of the scripts is assumed.
        model = at_size(case, model)
    images = torch.from_numpy(case.pictures()).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        anomaly_map, score = model(images)
    answers = np.load(ANSWERS / f"{case.owner}.npz")
    theirs = {name: answers[f"{case.name}.{name}"] for name in ("map", "score", "score64")}
    return Loaded(case, checkpoint, anomaly_map.numpy(), score.numpy(), theirs)


def at_size(case: Case, model: Dinomaly) -> Dinomaly:
    from takt_models.dinomaly.weights import OFFICIAL, from_state

    assert model.input_size == (392, 392)
    return from_state(case.state(), OFFICIAL, width=case.width, height=case.height)


def test_the_score_is_theirs(loaded: Loaded) -> None:
    score, exact = loaded.theirs["score"], loaded.theirs["score64"]
    assert np.ptp(score) > 100 * SCORE * score.max(), "scores that hardly differ show nothing"
    allowed = np.maximum(SCORE * score, 2 * np.abs(score - exact))
    np.testing.assert_array_less(np.abs(loaded.score - score), allowed)


def test_the_map_is_theirs(loaded: Loaded) -> None:
    theirs = loaded.theirs["map"]
    found = loaded.anomaly_map[:, ::STRIDE, ::STRIDE]
    np.testing.assert_allclose(found, theirs, rtol=0, atol=MAP * np.ptp(theirs))


def test_the_settings_are_read_off_the_file(loaded: Loaded) -> None:
    case, model = loaded.case, loaded.checkpoint.model
    assert isinstance(model, Dinomaly)
    config = model.config
    assert (config.embed_dim, config.registers) == (case.dim, case.registers)
    assert config.mlp_bias == (case.owner == "official")
    assert config.recipe == loaded.checkpoint.framework == case.owner
    large = (4, 6, 8, 10, 12, 14, 16, 18)
    assert (config.target_blocks == large) == (case.depth == 24)
