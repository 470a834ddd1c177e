"""Good pictures and a teacher for the commands that fit, export and evaluate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from takt_models.checkpoints.own import save_teacher
from takt_models.efficientad.detector import PDN

WritePictures = Callable[..., list[Path]]


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "good", 3)


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_teacher(path, PDN("small", 384), {})
    return path
