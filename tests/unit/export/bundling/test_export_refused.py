from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from takt.core.errors import BundleError, CalibrationError
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.errors import PicturesError
from takt_models.checkpoints.facts import Checkpoint
from takt_models.checkpoints.picture_digest import picture_digest
from tests.unit.export.bundling.exporting import ALPHA, WritePictures, export


@pytest.mark.parametrize(
    ("name", "message"),
    [("models/parts/ 1", "no version of a model"), ("models/my parts/1", "no name of a model")],
)
def test_a_folder_that_names_no_model_is_refused(
    thin_checkpoint: Checkpoint, tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        export(CheckpointSource(thin_checkpoint), [], tmp_path / name)


def test_a_version_that_exists_is_refused_before_any_work(
    thin_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    exists = tmp_path / "parts" / "1"
    exists.mkdir(parents=True)
    with pytest.raises(BundleError, match="export to a new one"):
        export(CheckpointSource(thin_checkpoint), [], exists)


def test_a_fit_that_saw_every_picture_is_refused(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    good = write_pictures(tmp_path / "good", 2)
    seen = tuple(picture_digest(path) for path in good)
    out = tmp_path / "models" / "parts" / "1"
    with pytest.raises(CalibrationError, match="has seen all 2 good pictures"):
        export(CheckpointSource(dataclasses.replace(thin_checkpoint, seen=seen)), good, out)
    assert not (tmp_path / "models").exists()


def test_thresholds_that_the_training_did_not_leave_cannot_be_kept(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    good = write_pictures(tmp_path / "good", 2)
    with pytest.raises(CalibrationError, match="no thresholds of the training to keep"):
        export(CheckpointSource(thin_checkpoint), good, tmp_path / "m" / "1", keep_thresholds=True)


def test_a_file_that_is_no_picture_is_found_before_the_graph_is_written(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    told: list[str] = []
    good = write_pictures(tmp_path / "good", 2)
    good[1].write_bytes(b"no")
    out = tmp_path / "models" / "parts" / "1"
    with pytest.raises(PicturesError, match=r"001\.png.*take it out of the folder"):
        export(CheckpointSource(thin_checkpoint), good, out, alpha=ALPHA, tell=told.append)
    assert "writing the graph" not in told


def test_a_place_where_nothing_can_be_written_is_refused_before_any_work(
    thin_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="file is no folder"):
        export(CheckpointSource(thin_checkpoint), [], tmp_path / "file" / "parts" / "1")
