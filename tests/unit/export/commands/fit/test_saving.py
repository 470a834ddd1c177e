from __future__ import annotations

from pathlib import Path

import click
import pytest
import torch

from takt_export.commands.fit.saving import resumable, save_detector
from takt_models.checkpoints.own import load_fitted
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd
from takt_models.fit.progress import CurvePoint, Fitted


@pytest.mark.parametrize(("auroc", "warns"), [(0.93, False), (0.6, True)])
def test_a_fit_that_tells_hardly_anything_apart_warns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], auroc: float, warns: bool
) -> None:
    model = EfficientAd(EfficientAdConfig(teacher_channels=4))
    model.teacher_mean.fill_(0.5)
    model.quantiles.copy_(torch.tensor([0.1, 0.7, 0.1, 0.7]))
    picture = tmp_path / "a.png"
    curve = [CurvePoint(1, {"loss": 0.5}), CurvePoint(2, {"loss": 0.4, "made_up_auroc": auroc})]
    fitted = Fitted(model, curve, 2, 1.5, (picture,), (), kept_step=2, auroc=auroc)
    out = tmp_path / "parts.safetensors"
    save_detector(out, fitted, {picture: "0123456789abcdef"}, 0, tmp_path)
    said = capsys.readouterr().out
    assert f"made-up defects: {auroc:.3f}, of the state after step 2" in said
    assert ("do not serve it" in said) is warns
    assert load_fitted(out).auroc == auroc
    lines = out.with_suffix(".csv").read_text().splitlines()
    assert lines == ["step,loss,made_up_auroc", "1,0.5,", f"2,0.4,{auroc:g}"]


def test_a_checkpoint_that_the_curve_would_replace_is_refused_before_the_fit(
    tmp_path: Path,
) -> None:
    with (
        pytest.raises(click.ClickException, match=r"give --out \S+/part\.safetensors$"),
        resumable(tmp_path / "part.csv"),
    ):
        pytest.fail("it was fitted")


def test_two_fits_do_not_make_the_same_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "new" / "part.safetensors"
    with resumable(out):
        for _ in range(2):  # the refusal takes nothing away
            with (
                pytest.raises(click.ClickException, match="is being made already: wait"),
                resumable(out),
            ):
                pytest.fail("it was fitted")
    assert [*out.parent.iterdir()] == []
    with resumable(out):
        out.touch()
    assert [*out.parent.iterdir()] == [out]
