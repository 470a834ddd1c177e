from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import safe_open

import models.checkpoints.formats
import models.fit.efficientad.fit
import models.fit.teacher.fit
from export.commands.evaluate import evaluate
from export.commands.export import export
from export.commands.fit.command import fit
from models.checkpoints.facts import Checkpoint, InputRecipe
from models.checkpoints.formats import load_checkpoint
from models.checkpoints.own import load_teacher, picture_digest, save_teacher
from models.efficientad.detector import PDN, EfficientAd
from models.fit.efficientad.options import EfficientAdOptions
from models.fit.errors import FitError
from models.fit.inpformer.options import InpFormerOptions
from models.fit.progress import CurvePoint, Fitted
from models.fit.teacher.fit import FittedTeacher
from models.fit.teacher.options import TeacherOptions
from service.bundles.bundle import load_bundle
from service.distribution import install_hint

WritePictures = Callable[..., list[Path]]


def run(command: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line of a refusal, which has no stack trace."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


def test_the_commands_are_listed_without_importing_torch() -> None:
    code = (
        "import sys; import export.commands.export; "
        "print([m for m in ('torch', 'onnx', 'sklearn', 'cv2', 'httpx') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("efficientad", EfficientAdOptions),
        ("inpformer", InpFormerOptions),
        ("teacher", TeacherOptions),
    ],
)
def test_the_help_s_defaults_are_those_of_the_fit(
    command: str, options: type[EfficientAdOptions | InpFormerOptions | TeacherOptions]
) -> None:
    fields = {field.name: field.default for field in dataclasses.fields(options)}
    offered = {param.name: param.default for param in fit.commands[command].params}
    shared = {name for name in fields.keys() & offered.keys() if fields[name] is not None}
    assert {"seed", "learning_rate"} <= shared
    assert {name: offered[name] for name in shared} == {name: fields[name] for name in shared}


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "good", 3)


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_teacher(path, PDN("small", 384), {})
    return path


@dataclasses.dataclass
class FakeFit:
    """Stands for a fit: notes what it was asked, then does what it was told."""

    result: Any = None
    error: BaseException | None = None
    state: bool = False
    arguments: tuple[Any, ...] = ()
    start: Any = None

    def __call__(self, *arguments: Any, quiet: bool, start: Any = None, spoil: Any = None) -> Any:
        self.arguments = arguments
        self.start = start
        output = next(a for a in arguments if isinstance(a, Path))
        if self.state:
            output.with_name(output.name + ".resume").touch()
        if self.error is not None:
            raise self.error
        return self.result


@pytest.fixture
def fake_fit(monkeypatch: pytest.MonkeyPatch, small_model: EfficientAd) -> FakeFit:
    fake = FakeFit(Fitted(small_model, [CurvePoint(2, {"hard": 0.5})], 2, 1.5, (), ()))
    monkeypatch.setattr(models.fit.efficientad.fit, "fit_efficientad", fake)
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
    assert f"needs tqdm; {install_hint('export')}" in refused(run(fit, *arguments))
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


def test_fitting_a_teacher_writes_it_with_its_curve_and_says_what_it_explains(
    monkeypatch: pytest.MonkeyPatch, good: list[Path], tmp_path: Path
) -> None:
    curve = [CurvePoint(4, {"loss": 0.5, "held_out_r2": 0.3})]
    fake = FakeFit(FittedTeacher(PDN("small", 384), curve, 0.345, {"stride 8": 0.6}))
    monkeypatch.setattr(models.fit.teacher.fit, "fit_teacher", fake)
    out = tmp_path / "teacher.safetensors"
    result = run(fit, "teacher", "--good", good[0].parent, "--out", out, "--steps", 4)
    assert result.exit_code == 0, result.output
    assert list(fake.arguments[0]) == good
    assert fake.arguments[3] == TeacherOptions(steps=4)
    assert load_teacher(out).size == "small"
    assert out.with_suffix(".csv").read_text().splitlines()[1] == "4,0.5,0.3"
    assert "explains 0.345 of the variance of held-out pictures (stride 8: 0.600)" in result.output


def test_one_picture_is_no_ground_for_a_teacher(
    write_pictures: WritePictures, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "good", 1)
    result = run(fit, "teacher", "--good", tmp_path / "good", "--out", tmp_path / "t.safetensors")
    assert "at least two pictures" in refused(result)


def test_an_exported_bundle_can_be_evaluated(
    monkeypatch: pytest.MonkeyPatch,
    thin_checkpoint: Checkpoint,
    good: list[Path],
    write_pictures: WritePictures,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(models.checkpoints.formats, "load_checkpoint", lambda path: thin_checkpoint)
    checkpoint = tmp_path / "m.safetensors"
    checkpoint.write_bytes(b"named in the bundle by its digest")
    out = tmp_path / "models" / "parts" / "1"
    exported = run(
        export, "onnx", checkpoint, "--good", good[0].parent, "--out", out,
        "--alpha", 0.3, "--threads", 1, "-q",
    )  # fmt: skip
    assert exported.exit_code == 0, exported.output
    assert (
        "calibrating on 3 pictures the training never saw; 0 seen ones left out" in exported.output
    )
    thresholds = load_bundle(out).manifest.thresholds
    assert f"score {thresholds.image:.6g}" in exported.output

    write_pictures(tmp_path / "data" / "good", 2)  # the first two that calibrated
    write_pictures(tmp_path / "data" / "bad", 1, seed=3, high=255)
    figures = tmp_path / "figures.json"
    evaluated = run(
        evaluate, out, "--data", tmp_path / "data", "--json", figures, "--threads", 1, "-q"
    )
    assert evaluated.exit_code == 0, evaluated.output
    found = json.loads(figures.read_text())
    assert (found["model"], found["version"]) == ("parts", "1")
    assert (found["real"]["good"], found["real"]["defective"]) == (2, 1)
    assert found["real"]["confusion"]["false_reject_rate"] == 0
    assert found["threshold"] == thresholds.image
    assert "falsely rejected    0 of 2" in evaluated.output


def test_a_checkpoint_that_is_none_is_refused(good: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "models" / "parts" / "1"
    arguments = ("--good", good[0].parent, "--out", out)
    assert "does not exist" in refused(run(export, "onnx", tmp_path / "m.ckpt", *arguments))
    (tmp_path / "m.ckpt").write_text("hello")
    assert "m.ckpt" in refused(run(export, "onnx", tmp_path / "m.ckpt", *arguments))
    assert not out.exists()


@pytest.mark.slow
def test_a_real_fit_is_exported_and_evaluated(
    write_pictures: WritePictures, teacher_file: Path, tmp_path: Path
) -> None:
    pictures = write_pictures(tmp_path / "data" / "good", 6)
    write_pictures(tmp_path / "data" / "bad", 1, seed=3, high=255)
    checkpoint, out = tmp_path / "m.safetensors", tmp_path / "models" / "parts" / "1"
    good = tmp_path / "data" / "good"
    fitted = run(
        fit, "efficientad", "--good", good, "--teacher", teacher_file, "--out", checkpoint,
        "--steps", 2, "--calibration", 0.5, "--device", "cpu", "-q",
    )  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    exported = run(export, "onnx", checkpoint, "--good", good, "--out", out, "--alpha", 0.3, "-q")
    assert exported.exit_code == 0, exported.output
    assert f"calibrating on {len(pictures) // 2} pictures the training never saw" in exported.output
    evaluated = run(evaluate, out, "--data", tmp_path / "data", "-q")
    assert evaluated.exit_code == 0, evaluated.output
    assert "image AUROC" in evaluated.output
