"""A picture's file becomes the input that the public code made of it, in the source's own way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.bundling.drift.compare import trained_input
from takt_export.pictures import read_picture
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD

FILES = {
    "efficientad_anomalib_s": "model.ckpt",
    "efficientad_nelson_s": "",
    "inpformer_anomalib_micro": "model.ckpt",
    "inpformer_official_micro": "model.pth",
}
NORMALISED = frozenset(FILES) - {"efficientad_anomalib_s"}


@pytest.mark.parametrize("name", FILES)
def test_the_source_prepares_pictures_as_the_public_code_did(fixtures: Path, name: str) -> None:
    spec = preprocess_of(load_checkpoint(fixtures / name / FILES[name]).recipe)
    expected = np.load(fixtures / name / "expected.npz")
    for picture, theirs in zip(expected["names"], expected["input"], strict=True):
        levels = trained_input(read_picture(fixtures / name / "inputs" / str(picture)), spec)
        ours = levels.astype(np.float32) / 255
        if name in NORMALISED:
            ours = (ours - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
        np.testing.assert_allclose(np.moveaxis(ours, -1, 0), theirs, rtol=0, atol=2e-6)
