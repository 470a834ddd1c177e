from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.corpus import fitted as room
from benchmarks.corpus.features import known_features
from benchmarks.corpus.fitted import KnownEncoder, answered, fitted, numbered, with_encoder
from benchmarks.corpus.sets import CorpusError, pictures_of
from benchmarks.corpus.settings import Setting
from takt_export.learning.family import reader
from takt_models.fit.device import Compute
from takt_models.fit.patchcore import turning
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.pictures import as_image
from takt_models.patchcore.config import PatchCoreConfig
from tests.patchcore import a_patchcore

pytestmark = pytest.mark.torch

CPU = Compute.choose("cpu", bf16=False)


def test_known_features_give_the_answers_of_the_fit_that_reads_the_pictures(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(turning, "FEW", 0)  # no turned picture is known
    # A bank that takes every cell, as a choice among them would hang on the last digits.
    setting = Setting.parsed(["size=64", "bank_size=20000"])
    pictures = pictures_of(sets / "one")
    encoder = setting.encoder_for(pictures.good, CPU)
    known = known_features(pictures.paths, encoder, tmp_path / "scratch")

    tested = range(len(pictures.good), len(pictures.paths))
    good = range(len(pictures.good))
    model, distances = fitted(known, good, pictures.part, tested, encoder, setting.options(seed=0))
    found = answered(distances, encoder)

    load = reader(encoder.recipe)
    real = fit_patchcore(
        [pictures.good], load, encoder, setting.options(seed=0), CPU, part=pictures.part, quiet=True
    )
    with torch.no_grad():
        expected = [
            real.model(as_image(load(sample.path), CPU.device)) for sample in pictures.tested
        ]
        again = with_encoder(model, encoder)(as_image(load(pictures.good[0]), CPU.device))
        first = real.model(as_image(load(pictures.good[0]), CPU.device))
    maps, scores = (torch.cat(one).numpy() for one in zip(*expected, strict=True))
    np.testing.assert_allclose(found.maps, maps, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(found.scores, scores, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(again[1].numpy(), first[1].numpy(), rtol=0.02, atol=0.02)
    assert len(found.good.score) == len(found.good.peak) == 22
    assert [*found.limits] == [0.05]


def an_encoder() -> tuple[KnownEncoder, torch.nn.Module]:
    model = a_patchcore(PatchCoreConfig((1, 1), 32, 16))
    layers = [
        np.arange(1000, dtype=np.float16)[:, None, None, None] * np.ones((1, 40, 2, 4), np.float16),
        np.ones((1000, 112, 1, 2), np.float16),
    ]
    return KnownEncoder(model, layers, range(1000)), model


def test_the_encoder_knows_each_picture_of_a_batch_by_its_number():
    encoder, model = an_encoder()
    images = torch.cat([as_image(numbered(one, 32, 16), CPU.device) for one in (3, 999, 0)])

    fine, coarse = encoder(model.normalize(images))

    assert fine[:, 0, 0, 0].tolist() == [3, 999, 0]
    assert coarse.shape == (3, 112, 1, 2)


def test_a_picture_that_the_fit_changed_is_refused():
    encoder, model = an_encoder()
    image = as_image(numbered(3, 32, 16), CPU.device)

    for changed in (image.flip(3), image.flip(2), 0.9 * image):
        with pytest.raises(CorpusError, match="changes its pictures"):
            encoder(model.normalize(changed))


def test_an_option_that_nothing_takes_is_refused(monkeypatch: pytest.MonkeyPatch):
    @dataclass(frozen=True)
    class Options(PatchCoreOptions):
        most_candidates: int = 100
        sharpness: int = 1

    with pytest.raises(CorpusError, match="options sharpness: let"):
        room._further(Options())
