from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import takt_models.fit.inpformer.encoders
from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.commands.fit.command import fit
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.fit.inpformer.encoders import EncoderError, Pretrained
from takt_models.inpformer.detector import InpFormer
from takt_models.input_size import InputSize
from tests.inpformer import THIN


@pytest.fixture(autouse=True)
def thin_encoder(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Puts a thin encoder in the place of any; says which ones were asked for."""
    asked: list[str] = []

    def pretrained(choice: str, size: InputSize | None = None) -> Pretrained:
        asked.append(choice)
        torch.manual_seed(0)
        sides = size or InputSize(28, 28)
        config = replace(THIN, width=sides.width, height=sides.height)
        weights = InpFormer(config).encoder.state_dict()
        recipe = InputRecipe(sides.width, sides.height, "area")
        return Pretrained(choice, config, recipe, weights)

    monkeypatch.setattr(takt_models.fit.inpformer.encoders, "pretrained", pretrained)
    return asked


def run(*arguments: object) -> Result:
    quick = ("--steps", 2, "--device", "cpu", "-q")
    return CliRunner().invoke(fit, ["inpformer", *map(str, (*arguments, *quick))])


def test_a_fit_writes_a_checkpoint_that_can_be_exported(
    tmp_path: Path, write_pictures: Any
) -> None:
    write_pictures(tmp_path / "good", 4)
    out = tmp_path / "parts.safetensors"
    result = run("--good", tmp_path / "good", "--out", out)
    assert result.exit_code == 0, result.output
    assert "not the paper's encoder" in result.output
    assert f"takt export onnx {out}" in result.output
    loaded = load_checkpoint(out)
    assert loaded.model.family == "inpformer"
    assert len(loaded.seen) == 3
    assert out.with_suffix(".csv").read_text().startswith("step,reconstruction,coherence")
    assert not out.with_name(out.name + ".resume").exists()


def test_several_kinds_of_parts_are_fitted_together(
    tmp_path: Path, write_pictures: Any, thin_encoder: list[str]
) -> None:
    write_pictures(tmp_path / "one", 4)
    write_pictures(tmp_path / "other", 8, seed=1)
    arguments = ("--good", tmp_path / "one", "--good", tmp_path / "other")
    result = run(*arguments, "--encoder", "d.pth", "--out", tmp_path / "m.safetensors")
    assert result.exit_code == 0, result.output
    assert "on 9 good pictures; 3 more" in result.output
    assert "paper" not in result.output
    assert thin_encoder == ["d.pth"]


def test_a_few_shots_leave_the_rest_for_the_thresholds(tmp_path: Path, write_pictures: Any) -> None:
    write_pictures(tmp_path / "good", 5)
    result = run("--good", tmp_path / "good", "--shots", 2, "--out", tmp_path / "m.safetensors")
    assert "on 2 good pictures; 3 more" in result.output


def test_a_fit_takes_an_input_that_is_no_square(tmp_path: Path, write_pictures: Any) -> None:
    write_pictures(tmp_path / "good", 4)
    out = tmp_path / "parts.safetensors"
    result = run("--good", tmp_path / "good", "--size", "56x28", "--encoder", "d.pth", "--out", out)
    assert result.exit_code == 0, result.output
    loaded = load_checkpoint(out)
    assert (loaded.model.input_size, loaded.model.map_size) == ((28, 56), (181, 362))
    assert loaded.recipe == InputRecipe(56, 28, "area")


def test_auto_goes_by_the_pictures_of_every_kind(tmp_path: Path, write_pictures: Any) -> None:
    for seed, name in enumerate(("one", "other")):
        write_pictures(tmp_path / name, 4, size=(160, 80), seed=seed)
    arguments = ("--good", tmp_path / "one", "--good", tmp_path / "other", "--encoder", "d.pth")
    out = tmp_path / "parts.safetensors"
    result = run(*arguments, "--size", "auto", "--latency-ms", 1e-6, "--out", out)
    assert result.exit_code == 0, result.output
    assert "size 14x14: pictures of 160x80 become 2 times narrower" in result.output
    assert "ms a picture in torch here, of 1e-06 ms allowed, and no smaller" in result.output
    assert load_checkpoint(out).model.input_size == (14, 14)


def test_an_encoder_that_cannot_be_had_is_one_line(
    tmp_path: Path, write_pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(choice: str, size: InputSize | None = None) -> Pretrained:
        raise EncoderError(f"timm gives no weights of {choice}: give a file")

    monkeypatch.setattr(takt_models.fit.inpformer.encoders, "pretrained", absent)
    write_pictures(tmp_path / "good", 4)
    result = run("--good", tmp_path / "good", "--out", tmp_path / "m.safetensors")
    assert result.exit_code == 1
    assert "Error: timm gives no weights of lite0: give a file" in result.output


def test_pictures_of_a_camera_of_12_bits_are_fitted_and_served_in_their_levels(
    tmp_path: Path, write_pictures: Any
) -> None:
    write_pictures(tmp_path / "good", 4, bits=12)
    out = tmp_path / "parts.safetensors"
    result = run("--good", tmp_path / "good", "--out", out)
    assert "4 of 4 pictures have 16 bits: 0 to 4095 becomes 0 to 255" in result.output
    recipe = load_checkpoint(out).recipe
    assert recipe.depth == preprocess_of(recipe).depth == "12"
