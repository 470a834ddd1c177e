from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open

import takt_models.checkpoints.formats
import takt_models.fit.efficientad.fit
import takt_models.fit.teacher.fit
from takt.core.distribution import install_hint
from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.commands.fit.command import fit
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.efficientad.detector import EfficientAd
from takt_models.fit.errors import FitError
from takt_models.fit.progress import CurvePoint, Fitted
from tests.commands import refused, run
from tests.fake_fit import FakeFit

WritePictures = Callable[..., list[Path]]


@pytest.fixture
def fake_fit(monkeypatch: pytest.MonkeyPatch, small_model: EfficientAd) -> FakeFit:
    fake = FakeFit(Fitted(small_model, [CurvePoint(2, {"hard": 0.5})], 2, 1.5, (), ()))
    monkeypatch.setattr(takt_models.fit.efficientad.fit, "fit_efficientad", fake)
    return fake


def test_a_fit_writes_a_checkpoint_that_says_what_it_saw(
    fake_fit: FakeFit, good: list[Path], teacher_file: Path, tmp_path: Path
) -> None:
    fake_fit.result = dataclasses.replace(
        fake_fit.result, seen=tuple(good[:2]), calibration=tuple(good[2:])
    )
    out = tmp_path / "out" / "parts.safetensors"
    result = run(
        fit, "efficientad", "--good", good[0].parent, "--teacher", teacher_file, "--out", out,
        "--steps", 2, "--seed", 7, "--calibration", 0.4, "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    pictures, others, load, _, teacher, output, options, compute = fake_fit.arguments
    assert (list(pictures), tuple(others), output) == (good, (), out)
    assert load(good[0]).shape == (256, 256, 3)
    assert teacher.size == "small"
    assert (options.steps, options.seed, options.calibration) == (2, 7, 0.4)
    assert compute.device == torch.device("cpu")
    assert fake_fit.digests == {path: picture_digest(path) for path in good}

    loaded = load_checkpoint(out)
    assert loaded.seen == tuple(picture_digest(path) for path in good[:2])
    assert loaded.recipe == InputRecipe(256, 256, "area")
    assert loaded.made_with["torch"] == torch.__version__
    with safe_open(out, framework="pt") as file:
        facts = json.loads(file.metadata()["takt"])["facts"]
    assert (facts["steps"], facts["seed"]) == (2, 7)
    assert out.with_suffix(".csv").read_text().splitlines() == ["step,hard", "2,0.5"]
    assert "without the penalty term" in result.output
    assert "2 steps, 1.50 a second, on 2 good pictures; 1 more were never" in result.output


@pytest.mark.parametrize(
    ("arguments", "size", "variant", "told"),
    [
        (("--size", "640x256"), (256, 640), "small", ""),
        (("--size", 288, "--variant", "medium"), (288, 288), "medium", ""),
        (("--size", "auto"), (256, 352), "small", "size 352x256: pictures of 80x60 keep their"),
        (("--size", "medium"), (256, 256), "medium", "--size medium is now --variant medium"),
        (("--image-size", 320), (320, 320), "small", ""),
    ],
)
def test_a_fit_has_the_asked_size_and_variant(
    fake_fit: FakeFit,
    good: list[Path],
    teacher_file: Path,
    tmp_path: Path,
    arguments: tuple[object, ...],
    size: tuple[int, int],
    variant: str,
    told: str,
) -> None:
    result = run(
        fit, "efficientad", "--good", good[0].parent, "--teacher", teacher_file, "--device", "cpu",
        "--out", tmp_path / "m.safetensors", *arguments,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    _, _, load, _, _, _, options, _ = fake_fit.arguments
    assert (options.height, options.width, options.variant) == (*size, variant)
    assert load(good[0]).shape == (*size, 3)
    assert told in result.output


def test_auto_keeps_the_smallest_defect_visible(
    fake_fit: FakeFit, write_pictures: WritePictures, teacher_file: Path, tmp_path: Path
) -> None:
    good = write_pictures(tmp_path / "train" / "good", 3, size=(1000, 500))
    write_pictures(tmp_path / "test" / "pit", 1, size=(1000, 500))
    mask = np.zeros((500, 1000), np.uint8)
    mask[100:110, 200:210] = 255
    (tmp_path / "ground_truth" / "pit").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "ground_truth" / "pit" / "000_mask.png"), mask)
    result = run(
        fit, "efficientad", "--good", good[0].parent, "--teacher", teacher_file,
        "--out", tmp_path / "m.safetensors", "--size", "auto", "--defects", tmp_path / "test/pit",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "the smallest defect, 10 pixels a side, covers 8.3 of the input" in result.output
    assert (fake_fit.arguments[6].width, fake_fit.arguments[6].height) == (832, 416)


def test_what_auto_goes_by_is_refused_without_it(good: list[Path], tmp_path: Path) -> None:
    arguments = ("--good", good[0].parent, "--out", tmp_path / "m.safetensors")
    result = run(fit, "efficientad", *arguments, "--size", 256, "--latency-ms", 10)
    assert "--latency-ms and --defects go with --size auto" in result.output
    assert result.exit_code == 2


def test_other_pictures_serve_the_penalty_at_their_own_size(
    fake_fit: FakeFit,
    good: list[Path],
    write_pictures: WritePictures,
    teacher_file: Path,
    tmp_path: Path,
) -> None:
    other = write_pictures(tmp_path / "other", 2, seed=1)
    result = run(
        fit, "efficientad", "--good", good[0].parent, "--other", other[0].parent,
        "--teacher", teacher_file, "--out", tmp_path / "m.safetensors", "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert list(fake_fit.arguments[1]) == other
    assert fake_fit.arguments[3](other[0]).shape == (60, 80, 3)
    assert "penalty" not in result.output


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (True, "the same command goes on from the last state, "),
        (False, "before the first state was kept"),
    ],
)
def test_ctrl_c_says_how_the_fit_goes_on(
    fake_fit: FakeFit,
    good: list[Path],
    teacher_file: Path,
    tmp_path: Path,
    state: bool,
    message: str,
) -> None:
    fake_fit.error, fake_fit.state = KeyboardInterrupt(), state
    out = tmp_path / "m.safetensors"
    result = run(
        fit, "efficientad", "--good", good[0].parent, "--teacher", teacher_file, "--out", out
    )
    assert result.exit_code == 130
    assert message in result.output
    assert not out.exists()


def test_an_error_of_a_fit_is_one_line(
    fake_fit: FakeFit, good: list[Path], teacher_file: Path, tmp_path: Path
) -> None:
    arguments = (
        "efficientad", "--good", good[0].parent, "--teacher", teacher_file,
        "--out", tmp_path / "m.safetensors",
    )  # fmt: skip
    fake_fit.error = FitError("the loss was not finite: lower the learning rate")
    assert refused(run(fit, *arguments)) == f"Error: {fake_fit.error}"
    fake_fit.error = OSError(28, "No space left on device")
    assert "No space left" in refused(run(fit, *arguments))
    fake_fit.error = ModuleNotFoundError("No module named 'tqdm'", name="tqdm")
    assert f"needs tqdm; {install_hint('train')}" in refused(run(fit, *arguments))
    fake_fit.error = ZeroDivisionError("a bug")
    assert run(fit, *arguments).exception is fake_fit.error


def test_a_checkpoint_is_never_replaced(
    fake_fit: FakeFit, good: list[Path], teacher_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.safetensors"
    out.write_text("hours of work")
    result = run(
        fit, "efficientad", "--good", good[0].parent, "--teacher", teacher_file, "--out", out
    )
    assert "exists; delete it" in refused(result)
    assert out.read_text() == "hours of work"
    assert fake_fit.arguments == ()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--size", "640x250", "height is 250; it must be at least 256"),
        ("--size", "650x256", "width is 650; it must be a multiple of 32"),
        ("--size", "wide", "is no size; give 256, width x height as 640x256, or auto"),
        ("--device", "cuda", "torch finds no GPU"),
        ("--device", "abacus", "abacus"),
        ("--steps", 0, "x>=1"),
        ("--calibration", 1.0, "0<x<1"),
    ],
)
def test_an_option_out_of_range_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch,
    good: list[Path],
    tmp_path: Path,
    option: str,
    value: object,
    message: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out = tmp_path / "m.safetensors"
    result = run(fit, "efficientad", "--good", good[0].parent, "--out", out, option, value)
    assert result.exit_code == 2
    assert option in result.output
    assert message in result.output


def test_pictures_of_a_camera_of_12_bits_are_fitted_and_served_in_their_levels(
    fake_fit: FakeFit, teacher_file: Path, tmp_path: Path, write_pictures: WritePictures
) -> None:
    good = write_pictures(tmp_path / "good", 4, bits=12)
    out = tmp_path / "parts.safetensors"
    taken = ("--good", good[0].parent, "--teacher", teacher_file, "--out", out, "--device", "cpu")
    result = run(fit, "efficientad", *taken)
    assert "have 16 bits: 0 to 4095 becomes 0 to 255" in result.output
    recipe = load_checkpoint(out).recipe
    assert recipe.depth == preprocess_of(recipe).depth == "12"
    assert fake_fit.arguments[2](good[0]).max() > 64
