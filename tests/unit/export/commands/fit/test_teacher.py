from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import takt_models.checkpoints.formats
import takt_models.fit.efficientad.fit
import takt_models.fit.teacher.fit
from takt_export.commands.fit.command import fit
from takt_models.checkpoints.own import load_teacher
from takt_models.efficientad.detector import PDN
from takt_models.fit.progress import CurvePoint
from takt_models.fit.teacher.fit import FittedTeacher
from takt_models.fit.teacher.options import TeacherOptions
from tests.commands import refused, run
from tests.fake_fit import FakeFit

WritePictures = Callable[..., list[Path]]


def test_fitting_a_teacher_writes_it_with_its_curve_and_says_what_it_explains(
    monkeypatch: pytest.MonkeyPatch, good: list[Path], tmp_path: Path
) -> None:
    curve = [CurvePoint(4, {"loss": 0.5, "held_out_r2": 0.3})]
    fake = FakeFit(FittedTeacher(PDN("small", 384), curve, 0.345, {"stride 8": 0.6}))
    monkeypatch.setattr(takt_models.fit.teacher.fit, "fit_teacher", fake)
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
