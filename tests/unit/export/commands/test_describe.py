from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from takt_export.commands.describe import inspect_checkpoint
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(inspect_checkpoint, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = EfficientAd(EfficientAdConfig())
    model.teacher_mean.fill_(1)
    model.quantiles.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    path = tmp_path_factory.mktemp("fitted") / "parts.safetensors"
    save_checkpoint(path, model, FitFacts(model.config, ("0" * 16,), 10, 0, {"takt": "0.1.0"}))
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "broken.ckpt").touch()
    return tmp_path / "broken.ckpt"


def test_a_good_checkpoint_is_told_in_aligned_lines(fitted: Path) -> None:
    result = inspect(fitted)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        str(fitted),
        "  format      Takt efficientad (safetensors)",
        "  model       efficientad small, 8.06 M parameters",
        "  made with   takt 0.1.0",
        "  input       resized to 256 x 256 (area)",
        "  map         padded, resized to the input, then scaled; score: its maximum",
        "  statistics  set",
        "  thresholds  none stored",
        "  seen        1 good picture",
        "  loadable    yes",
    ]


def test_one_bad_checkpoint_among_good_ones_fails_the_command(fitted: Path, broken: Path) -> None:
    result = inspect(broken, fitted)
    assert result.exit_code == 1
    first, second = result.output.split("\n\n")
    assert first.splitlines() == [
        str(broken),
        f"  loadable  no: {broken} is empty: copy it again",
    ]
    assert second.splitlines()[-1] == "  loadable    yes"
    assert inspect(fitted, fitted).exit_code == 0


def test_json_holds_one_object_for_each_checkpoint(fitted: Path, broken: Path) -> None:
    result = inspect("--json", fitted, broken)
    assert result.exit_code == 1
    good, bad = json.loads(result.output)
    assert good["files"] == [str(fitted)]
    assert (good["loadable"], good["problem"], good["parameters"]) == (True, None, 8_057_856)
    assert bad["loadable"] is False
    assert bad["problem"].endswith("is empty: copy it again")


def test_thresholds_and_assumptions_are_told(tmp_path: Path) -> None:
    numbers = {"_image_threshold": 0.25, "_pixel_threshold": 0.5, "image_min": 0, "image_max": 2}
    with torch.device("meta"):
        ours = EfficientAd(EfficientAdConfig()).state_dict()
    state = {
        "model." + name.replace("autoencoder.", "ae."): torch.ones(1).expand(weight.shape)
        for name, weight in ours.items()
        if "." in name
    }
    state |= {f"model.mean_std.{name}": torch.ones(1, 384, 1, 1) for name in ("mean", "std")}
    for index, name in enumerate(("qa_st", "qb_st", "qa_ae", "qb_ae")):
        state[f"model.quantiles.{name}"] = torch.tensor(float(index))
    state |= {f"post_processor.{name}": torch.tensor(float(n)) for name, n in numbers.items()}
    hyper_parameters = {"padding": False, "pad_maps": True}
    content = {"state_dict": state, "hyper_parameters": hyper_parameters}
    torch.save(content, tmp_path / "model.ckpt")
    result = inspect(tmp_path / "model.ckpt")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "  thresholds  score 0.25 (seen: 0 to 2), map 0.5" in lines
    assert lines[-2].startswith(
        "  assumed     how pictures were prepared is not stored; anomalib's"
    )


def test_what_comes_out_of_a_file_cannot_drive_the_terminal(tmp_path: Path) -> None:
    model = EfficientAd(EfficientAdConfig())
    model.teacher_mean.fill_(1)
    model.quantiles.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    facts = FitFacts(model.config, (), 10, 0, {"takt": "0.1\x1b[2J\n"})
    save_checkpoint(tmp_path / "odd.safetensors", model, facts)
    result = inspect(tmp_path / "odd.safetensors")
    assert "  made with   takt 0.1?[2J?" in result.output.splitlines()


def test_no_file_is_a_misuse() -> None:
    assert inspect().exit_code == 2
