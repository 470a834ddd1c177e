from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.commands.fit.command import fit
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from tests.patchcore import a_patchcore


@pytest.fixture(autouse=True)
def random_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    import takt_models.fit.patchcore.encoders as encoders
    from takt_models.patchcore.config import PatchCoreConfig

    def encoder_of(choice: str, width: int = 64, height: int = 32) -> encoders.PatchCoreEncoder:
        config = PatchCoreConfig((1, 1), width=width, height=height)
        weights = a_patchcore(config).encoder.state_dict()
        recipe = InputRecipe(width, height, "area")
        return encoders.PatchCoreEncoder(choice, config, recipe, weights)

    monkeypatch.setattr(encoders, "encoder_of", encoder_of)


def run(*arguments: object) -> Result:
    quick = ("--bank-size", 30, "--device", "cpu", "-q")
    return CliRunner().invoke(fit, ["patchcore", *map(str, (*arguments, *quick))])


@pytest.mark.torch
def test_a_fit_writes_a_checkpoint_that_can_be_exported(
    tmp_path: Path, write_pictures: Any
) -> None:
    write_pictures(tmp_path / "good", 4)
    out = tmp_path / "parts.safetensors"
    result = run("--good", tmp_path / "good", "--out", out)
    assert result.exit_code == 0, result.output
    assert (
        "30 vectors, of 4 good pictures; 4 of them were scored without their own of 4 folds"
        in result.output
    )
    assert f"takt export onnx {out}" in result.output
    loaded = load_checkpoint(out)
    assert loaded.model.family == "patchcore"
    # The pictures are smaller than the usual input.
    assert loaded.recipe == InputRecipe(80, 80, "area")
    assert "size 80x80: pictures of 80x60 are enlarged little" in result.output
    assert len(loaded.seen) == 4


@pytest.mark.torch
@pytest.mark.parametrize(
    ("size", "expected"), [("96x48", (48, 96)), (64, (64, 64)), ("auto", (272, 368))]
)
def test_a_fit_has_the_asked_size(
    tmp_path: Path, write_pictures: Any, size: object, expected: tuple[int, int]
) -> None:
    write_pictures(tmp_path / "good", 4)
    out = tmp_path / "parts.safetensors"
    result = run("--good", tmp_path / "good", "--out", out, "--size", size)
    assert result.exit_code == 0, result.output
    assert load_checkpoint(out).model.input_size == expected


def test_several_kinds_of_parts_share_a_bank(tmp_path: Path, write_pictures: Any) -> None:
    write_pictures(tmp_path / "one", 4)
    write_pictures(tmp_path / "other", 8, seed=1)
    kinds = ("--good", tmp_path / "one", "--good", tmp_path / "other")
    result = run(*kinds, "--out", tmp_path / "m.safetensors")
    assert "60 vectors, of 12 good pictures; 12 of them" in result.output


def test_pictures_of_a_camera_of_12_bits_are_fitted_and_served_in_their_levels(
    tmp_path: Path, write_pictures: Any
) -> None:
    write_pictures(tmp_path / "good", 4, bits=12)
    out = tmp_path / "parts.safetensors"
    result = run("--good", tmp_path / "good", "--out", out)
    assert "4 of 4 pictures have 16 bits: 0 to 4095 becomes 0 to 255" in result.output
    recipe = load_checkpoint(out).recipe
    assert recipe.depth == preprocess_of(recipe).depth == "12"
