from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.corpus.sets import CorpusError
from benchmarks.corpus.settings import Setting, defaults
from takt_models.fit.device import Compute
from takt_models.fit.errors import FitError
from takt_models.patchcore import detector, places


@pytest.fixture
def good(tmp_path: Path) -> list[Path]:
    path = tmp_path / "1.png"
    cv2.imwrite(str(path), np.zeros((40, 60, 3), np.uint8))
    return [path]


def test_values_reach_the_options_the_model_and_the_size(good: list[Path]):
    setting = Setting.parsed(["bank_size=500", "layers=4,7,10", "size=64x32"])

    options = setting.options(seed=3)
    config = setting.encoder_for(good, Compute.choose("cpu")).config

    assert (options.bank_size, options.seed) == (500, 3)
    assert (config.layers, config.width, config.height) == ((4, 7, 10), 64, 32)
    assert len(config.bank_sizes) == 3


def test_one_layer_needs_no_comma():
    assert Setting.parsed(["layers=4"]).values == {"layers": (4,)}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("bank_sise=3", "bank_size, encoder"),
        ("seed=3", "cannot be set"),
        ("bank_size", "key=value"),
        ("bank_size=many", "takes int"),
        ("bank_size=2.5", "takes int"),
    ],
)
def test_what_cannot_be_set_is_refused(word: str, told: str):
    with pytest.raises(CorpusError, match=told):
        Setting.parsed([word])


def test_values_that_make_no_sense_are_refused(good: list[Path]):
    with pytest.raises(FitError, match="bank_size"):
        Setting.parsed(["bank_size=0"]).options(seed=0)
    for word in ("layers=10,4", "size=big", "size=65"):
        with pytest.raises(CorpusError):
            Setting.parsed([word]).encoder_for(good, Compute.choose("cpu"))


def test_each_name_that_can_be_set_has_its_default():
    found = defaults()

    assert found["encoder"] == "lite0"
    assert found["size"] is None
    assert type(found["bank_size"]) is int
    assert "bank_sizes" not in found


def test_constants_have_the_setting_s_values_only_meanwhile():
    former = places.PRIOR_MAPS, detector.SCORED_CELLS
    setting = Setting.parsed(["prior_maps=5", "scored_cells=20"])

    with pytest.raises(ZeroDivisionError), setting.applied():
        assert (places.PRIOR_MAPS, detector.SCORED_CELLS) == (5, 20)
        raise ZeroDivisionError

    assert former == (places.PRIOR_MAPS, detector.SCORED_CELLS)


def test_what_comes_after_the_banks_changes_no_fit():
    setting = Setting.parsed(["folds=10", "prior_maps=5", "most_candidates=1000"])

    assert setting.fit_text == "folds=10 most_candidates=1000"
    assert setting.further == {"most_candidates": 1000}
