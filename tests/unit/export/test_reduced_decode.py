"""Bundles whose pictures are decoded at a part of their size: measured, recorded, refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from takt.core.bundles.manifest import Preprocess
from takt.core.bundles.tiling import Tiling
from takt.core.pictures.prepare import prepare
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.export_bundle import ExportOptions, ExportReport, export_bundle
from takt_export.errors import ExportError
from takt_export.pictures import MAX_PIXELS, read_model_input
from takt_models.checkpoints.facts import Checkpoint, InputRecipe

pytestmark = pytest.mark.torch

ALPHA = 0.4


@pytest.fixture
def large(tmp_path: Path) -> list[Path]:
    """Two JPEGs of 1024 × 768."""
    folder = tmp_path / "good"
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = []
    for number in range(2):
        coarse = rng.integers(0, 200, (96, 128, 3), dtype=np.uint8)
        paths.append(folder / f"{number}.jpg")
        cv2.imwrite(str(paths[-1]), cv2.resize(coarse, (1024, 768), interpolation=cv2.INTER_CUBIC))
    return paths


def export(checkpoint: Checkpoint, good: list[Path], out: Path, **options: Any) -> ExportReport:
    chosen = ExportOptions(alpha=ALPHA, reduced_decode=True, **options)
    source = CheckpointSource(checkpoint)
    return export_bundle(source, good, [], out, chosen, tell=print, quiet=True)


def test_what_reduced_decoding_changes_is_measured_and_recorded(
    thin_checkpoint: Checkpoint, large: list[Path], tmp_path: Path
) -> None:
    report = export(thin_checkpoint, large, tmp_path / "models" / "parts" / "1")
    spec = report.bundle.manifest.preprocess
    cost = spec.drift
    assert spec.reduced_decode
    assert cost is not None
    assert (cost.trained_with, cost.pictures) == ("area", 2)
    whole = spec.model_copy(update={"reduced_decode": False})
    ours, theirs = (
        np.stack([prepare(path.read_bytes(), way, MAX_PIXELS).model_input for path in large])
        for way in (spec, whole)
    )
    assert cost.grey_levels == np.abs(ours.astype(int) - theirs).max() > 0
    assert cost.score > 0
    assert np.array_equal(report.bundle.golden.images, ours)
    assert "reduced decoding, then area, instead of area changes the score" in report.text()


def test_it_can_come_with_the_filter_that_it_needs(
    thin_checkpoint: Checkpoint, large: list[Path], tmp_path: Path
) -> None:
    pillows = dataclasses.replace(thin_checkpoint, recipe=InputRecipe(256, 256, "pillow_bilinear"))
    with pytest.raises(ExportError, match="add --resize area"):
        export(pillows, large, tmp_path / "models" / "parts" / "1")
    report = export(pillows, large, tmp_path / "models" / "parts" / "1", resize="area")
    spec = report.bundle.manifest.preprocess
    assert (spec.resize, spec.reduced_decode) == ("area", True)
    assert spec.drift is not None
    assert spec.drift.trained_with == "pillow_bilinear"


def test_it_does_not_go_with_tiles(
    thin_checkpoint: Checkpoint, large: list[Path], tmp_path: Path
) -> None:
    tiling = Tiling(width=256, height=256, overlap=0, blend="max")
    with pytest.raises(ExportError, match="--reduced-decode does not go with --tile"):
        export(thin_checkpoint, large, tmp_path / "models" / "parts" / "1", tiling=tiling)


def test_files_are_read_offline_as_the_service_reads_them(large: list[Path]) -> None:
    spec = Preprocess(width=256, height=256, resize="area", reduced_decode=True)
    expected = prepare(large[0].read_bytes(), spec, MAX_PIXELS).model_input
    assert np.array_equal(read_model_input(large[0], spec), expected)


def test_pictures_that_are_never_reduced_are_refused(
    thin_checkpoint: Checkpoint, large: list[Path], tmp_path: Path
) -> None:
    for number, path in enumerate(large):
        picture = cv2.imread(str(path))
        assert picture is not None
        path.unlink()
        cv2.imwrite(str(path.with_suffix(".png")), picture)
        cv2.imwrite(str(path.with_name(f"small-{number}.jpg")), picture[:500])
    good = sorted(large[0].parent.iterdir())
    assert len(good) == 4
    out = tmp_path / "models" / "parts" / "1"
    with pytest.raises(ExportError, match="at least 512 pixels on each side"):
        export(thin_checkpoint, good, out)
    pillows = dataclasses.replace(thin_checkpoint, recipe=InputRecipe(256, 256, "pillow_bilinear"))
    with pytest.raises(ExportError, match="at least 512 pixels on each side"):
        export(pillows, good, out, resize="area")


def test_the_cost_is_that_on_pictures_that_were_reduced(
    thin_checkpoint: Checkpoint,
    large: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture = cv2.imread(str(large[0]))
    assert picture is not None
    png = large[0].with_name("whole.png")
    cv2.imwrite(str(png), picture[::-1])
    report = export(thin_checkpoint, [*large, png], tmp_path / "models" / "parts" / "1")
    cost = report.bundle.manifest.preprocess.drift
    assert cost is not None
    assert cost.pictures == 2
    assert "warning: 1 of 3 compared pictures are decoded whole" in capsys.readouterr().out


def test_another_filter_costs_on_every_picture(
    thin_checkpoint: Checkpoint, large: list[Path], tmp_path: Path
) -> None:
    picture = cv2.imread(str(large[0]))
    assert picture is not None
    png = large[0].with_name("whole.png")
    cv2.imwrite(str(png), picture[::-1])
    pillows = dataclasses.replace(thin_checkpoint, recipe=InputRecipe(256, 256, "pillow_bilinear"))
    out = tmp_path / "models" / "parts" / "1"
    report = export(pillows, [*large, png], out, resize="area")
    cost = report.bundle.manifest.preprocess.drift
    assert cost is not None
    assert cost.pictures == 3


def test_reduced_jpegs_alone_are_not_warned_of(
    thin_checkpoint: Checkpoint,
    large: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    export(thin_checkpoint, large, tmp_path / "models" / "parts" / "1")
    assert "decoded whole" not in capsys.readouterr().out
