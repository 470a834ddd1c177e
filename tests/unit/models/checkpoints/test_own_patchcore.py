from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.out_of_fold import DISTANCES, OutOfFold
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.fit.device import round_to_fp16
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore

CONFIG = PatchCoreConfig((2, 3), width=64, height=32)


@pytest.fixture
def model() -> PatchCore:
    torch.manual_seed(0)
    model = PatchCore(CONFIG)
    for bank in model.banks:
        bank.mean.normal_()
        bank.std.uniform_(0.5, 2)
        bank.vectors.data.normal_()
    model.usual.uniform_(0.5, 1)
    model.spread.uniform_(0.1, 1)
    round_to_fp16(model)
    return model


@pytest.fixture
def path(tmp_path: Path, model: PatchCore) -> Path:
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, model, FitFacts(CONFIG, ("0123456789abcdef",), 6, 3, {"torch": "2"}))
    return path


def test_a_saved_model_comes_back_bit_for_bit(path: Path, model: PatchCore) -> None:
    loaded = load_checkpoint(path)
    assert isinstance(loaded.model, PatchCore)
    assert loaded.model.config == CONFIG
    assert loaded.recipe == InputRecipe(64, 32, "area")
    assert loaded.seen == ("0123456789abcdef",)
    assert not loaded.model.training
    expected = model.state_dict()
    for name, weight in loaded.model.state_dict().items():
        assert torch.equal(weight, expected[name]), name


def test_the_banks_take_half_the_bytes(path: Path) -> None:
    whole = {name for name, one in load_file(path).items() if one.dtype == torch.float32}
    of_banks = {f"memory.{layer}.{name}" for layer in (0, 1) for name in ("mean", "std")}
    assert whole == of_banks | {"usual", "spread"}


def test_it_is_described_under_its_own_name(path: Path) -> None:
    described = describe(path)
    assert (described.family, described.variant) == ("patchcore", "lite0")
    assert described.format == "Takt patchcore (safetensors)"
    assert described.input == "resized to 64 x 32 (area)"
    assert described.map is not None and "nearest of 2 and 3 vectors" in described.map
    # As the graph does it, which `places.py` and `mean_of_highest` say.
    assert described.map.endswith("score: mean of the map's 16 highest cells")
    assert described.loadable and described.statistics == "none needed"


def scored(**changes: Any) -> OutOfFold:
    given: dict[str, Any] = {
        "pictures": (0, 2),
        "distances": torch.rand(2, 2, 4, 8).half().float(),
        "folds": 2,
    }
    return OutOfFold(**(given | changes))


def test_the_out_of_fold_distances_come_back_bit_for_bit(tmp_path: Path, model: PatchCore) -> None:
    path, kept = tmp_path / "m.safetensors", scored()
    save_checkpoint(path, model, FitFacts(CONFIG, ("a", "b", "c"), 3, 3), kept)

    found = load_checkpoint(path).out_of_fold

    assert found is not None
    assert (found.pictures, found.folds) == (kept.pictures, kept.folds)
    assert torch.equal(found.distances, kept.distances)
    assert torch.equal(found.maps, kept.maps)
    assert load_file(path)[DISTANCES].dtype == torch.float16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pictures": (0, 3)}, "has not seen"),
        ({"pictures": (2, 0)}, "has not seen"),
        ({"pictures": (0, 0)}, "has not seen"),
        ({"pictures": (0, 0.5)}, "whole numbers"),
        ({"folds": 1}, "not of folds"),
        ({"distances": torch.zeros(3, 2, 4, 8)}, "not of folds"),
        ({"distances": torch.zeros(2, 4, 8)}, "not of folds"),
        ({"distances": torch.full((2, 2, 4, 8), torch.nan)}, "not finite"),
    ],
)
def test_out_of_fold_distances_that_make_no_sense_are_refused(
    tmp_path: Path, model: PatchCore, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, model, FitFacts(CONFIG, ("a", "b", "c"), 3, 3), scored(**changes))

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_a_bank_from_before_is_refused_with_what_to_do(path: Path, tmp_path: Path) -> None:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    about = json.loads(metadata["takt"])
    about["facts"]["config"]["scored_power"] = 8
    tensors = {name: one for name, one in load_file(path).items() if "memory" in name}
    before = tmp_path / "before.safetensors"
    save_file(tensors, before, metadata | {"takt": json.dumps(about)})

    with pytest.raises(CheckpointError, match=r"not know what is usual .*: fit it again"):
        load_checkpoint(before)
