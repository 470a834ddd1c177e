from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import takt_models.checkpoints.formats
import takt_models.fit.efficientad.fit
import takt_models.fit.teacher.fit
from takt.core.bundles.bundle import load_bundle
from takt_export.commands.evaluate import evaluate
from takt_export.commands.export import export
from takt_export.commands.fit.command import fit
from takt_models.checkpoints.facts import Checkpoint
from tests.commands import refused, repeated, run

pytestmark = pytest.mark.torch

WritePictures = Callable[..., list[Path]]


def test_the_commands_are_listed_without_importing_torch() -> None:
    code = (
        "import sys; import takt_export.commands.export; "
        "print([m for m in ('torch', 'onnx', 'sklearn', 'cv2', 'httpx') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert found.stdout.strip() == "[]"


def test_what_is_assumed_and_what_the_thresholds_rest_on_is_said_once(
    monkeypatch: pytest.MonkeyPatch, thin_checkpoint: Checkpoint, good: list[Path], tmp_path: Path
) -> None:
    assumption = "the pictures were resized to 256 x 256, as the file does not say it"
    guessed = dataclasses.replace(thin_checkpoint, assumptions=(assumption,))
    monkeypatch.setattr(takt_models.checkpoints.formats, "load_checkpoint", lambda path: guessed)
    checkpoint = tmp_path / "m.safetensors"
    checkpoint.write_bytes(b"named in the bundle by its digest")
    out = tmp_path / "models" / "parts" / "1"
    exported = run(
        export, "onnx", checkpoint, "--good", good[0].parent, "--out", out, "--threads", 1, "-q"
    )
    assert exported.exit_code == 0, exported.output
    assert assumption in exported.output and "alpha is 0.25" in exported.output
    assert repeated(exported.output) == []


@pytest.mark.parametrize("out", ["b", "models/parts", "models/parts/v1x"])
def test_a_bundle_that_would_be_no_version_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = run(export, "onnx", "not looked at", "--good", tmp_path, "--out", out)
    line = refused(asked)
    assert "is no version of a model: give --out as REPOSITORY/NAME/VERSION" in line
    assert "--out models/parts/1;" in line or "--out bundles/b/1;" in line


def test_an_exported_bundle_can_be_evaluated(
    monkeypatch: pytest.MonkeyPatch,
    thin_checkpoint: Checkpoint,
    good: list[Path],
    write_pictures: WritePictures,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(
        takt_models.checkpoints.formats, "load_checkpoint", lambda path: thin_checkpoint
    )
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
