from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from models.checkpoints.description import describe
from models.checkpoints.errors import CheckpointError
from models.checkpoints.facts import InputRecipe
from models.checkpoints.formats import load_checkpoint
from models.checkpoints.out_of_fold import OutOfFold
from models.checkpoints.own import FitFacts, save_checkpoint
from models.fit.device import round_to_fp16
from models.patchcore.config import PatchCoreConfig
from models.patchcore.detector import PatchCore

CONFIG = PatchCoreConfig((2, 3), width=64, height=32)


@pytest.fixture
def model() -> PatchCore:
    torch.manual_seed(0)
    model = PatchCore(CONFIG)
    for bank in model.banks:
        bank.mean.normal_()
        bank.std.uniform_(0.5, 2)
        bank.vectors.data.normal_()
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
    assert whole == {f"memory.{layer}.{name}" for layer in (0, 1) for name in ("mean", "std")}


def test_it_is_described_under_its_own_name(path: Path) -> None:
    described = describe(path)
    assert (described.family, described.variant) == ("patchcore", "lite0")
    assert described.format == "Takt patchcore (safetensors)"
    assert described.input == "resized to 64 x 32 (area)"
    assert described.map is not None and "nearest of 2 and 3 vectors" in described.map
    assert described.loadable and described.statistics == "none needed"


def scored(**changes: Any) -> OutOfFold:
    given: dict[str, Any] = {
        "pictures": (0, 2),
        "maps": torch.rand(2, 4, 8),
        "folds": 2,
        "fold_of_vectors": torch.tensor([0, 0, 1, 1, -1]),
    }
    return OutOfFold(**(given | changes))


def test_the_out_of_fold_maps_come_back_bit_for_bit(tmp_path: Path, model: PatchCore) -> None:
    path, kept = tmp_path / "m.safetensors", scored()
    save_checkpoint(path, model, FitFacts(CONFIG, ("a", "b", "c"), 3, 3), kept)

    found = load_checkpoint(path).out_of_fold

    assert found is not None
    assert (found.pictures, found.folds) == (kept.pictures, kept.folds)
    assert torch.equal(found.maps, kept.maps)
    assert torch.equal(found.fold_of_vectors, kept.fold_of_vectors)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pictures": (0, 3)}, "has not seen"),
        ({"pictures": (2, 0)}, "has not seen"),
        ({"pictures": (0, 0.5)}, "whole numbers"),
        ({"folds": 3}, "whole folds"),
        ({"maps": torch.zeros(3, 4, 8)}, "whole folds"),
        ({"maps": torch.full((2, 4, 8), torch.nan)}, "not finite"),
    ],
)
def test_out_of_fold_maps_that_make_no_sense_are_refused(
    tmp_path: Path, model: PatchCore, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, model, FitFacts(CONFIG, ("a", "b", "c"), 3, 3), scored(**changes))

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)
