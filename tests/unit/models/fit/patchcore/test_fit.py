from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.checkpoints.facts import InputRecipe
from models.fit.device import Compute
from models.fit.errors import FitError
from models.fit.inpformer.encoders import EncoderError
from models.fit.patchcore.encoders import PatchCoreEncoder, load_into
from models.fit.patchcore.fit import fit_patchcore
from models.fit.patchcore.options import PatchCoreOptions
from models.fit.progress import Fitted
from models.patchcore.bank import LEAST_DISTANCE
from models.patchcore.config import PatchCoreConfig
from models.patchcore.detector import PatchCore
from tests.patchcore import a_patchcore

CONFIG = PatchCoreConfig(bank_sizes=(1, 1), width=64, height=32)
OPTIONS = PatchCoreOptions(bank_size=40)
GOOD = tuple(Path(f"good/{number}.png") for number in range(8))


@pytest.fixture(scope="module")
def encoder() -> PatchCoreEncoder:
    weights = a_patchcore(CONFIG).encoder.state_dict()
    return PatchCoreEncoder("random", CONFIG, InputRecipe(64, 32, "area"), weights)


def load(path: Path) -> NDArray[np.uint8]:
    noise = np.random.default_rng(int(path.stem))
    return noise.integers(0, 256, (32, 64, 3), dtype=np.uint8)


def fit(
    encoder: PatchCoreEncoder, good: Sequence[Sequence[Path]] = (GOOD,), **options: Any
) -> Fitted[PatchCore]:
    asked = PatchCoreOptions(**{"bank_size": 40} | options)
    return fit_patchcore(good, load, encoder, asked, Compute.choose("cpu", bf16=False), quiet=True)


@pytest.fixture(scope="module")
def fitted(encoder: PatchCoreEncoder) -> Fitted[PatchCore]:
    return fit(encoder)


def images_of(paths: Sequence[Path]) -> torch.Tensor:
    return torch.from_numpy(np.stack([load(path) for path in paths])).permute(0, 3, 1, 2) / 255


def assert_in_every_bank(fitted: Fitted[PatchCore]) -> None:
    """Some cell of each picture that was seen is a vector of each layer's bank."""
    model = fitted.model
    with torch.no_grad():
        layers = model.embed(model.normalize(images_of(fitted.seen)))
        for bank, raw in zip(model.banks, layers, strict=True):
            assert (bank(raw).amin(1) < 2 * LEAST_DISTANCE).all()


def test_every_picture_is_in_the_banks_and_all_but_one_are_scored_without_themselves(
    fitted: Fitted[PatchCore],
) -> None:
    assert fitted.seen == GOOD
    assert fitted.calibration == ()
    assert_in_every_bank(fitted)
    scored = fitted.out_of_fold
    assert scored is not None
    assert (len(scored.pictures), scored.folds) == (7, 7)
    assert scored.maps.shape == (7, 4, 8)
    assert (scored.maps > 5 * LEAST_DISTANCE).all()
    assert len(scored.fold_of_vectors) == sum(fitted.model.config.bank_sizes)


def test_a_picture_that_was_saved_again_is_never_scored_by_its_copy(
    encoder: PatchCoreEncoder,
) -> None:
    def twice(path: Path) -> NDArray[np.uint8]:
        # 8.png to 15.png are 0.png to 7.png, a little brighter.
        number = int(path.stem)
        pixels = load(Path(f"{number % 8}.png"))
        return np.minimum(pixels, 253) + np.uint8(2 * (number >= 8))

    good = [Path(f"{number}.png") for number in range(16)]
    compute = Compute.choose("cpu", bf16=False)
    fitted = fit_patchcore(
        (good,), twice, encoder, OPTIONS, compute, part=[*range(8)] * 2, quiet=True
    )

    assert fitted.out_of_fold is not None
    assert all(picture < 8 for picture in fitted.out_of_fold.pictures)
    assert (fitted.out_of_fold.maps > 5 * LEAST_DISTANCE).all()


def test_the_features_are_standardised_by_a_picture_that_is_not_scored(
    fitted: Fitted[PatchCore],
) -> None:
    model = fitted.model
    assert fitted.out_of_fold is not None
    (other,) = set(range(8)) - set(fitted.out_of_fold.pictures)
    with torch.no_grad():
        layers = model.embed(model.normalize(images_of([GOOD[other]])))
    for bank, raw in zip(model.banks, layers, strict=True):
        flat = bank.standardize(raw).flatten(0, 1)
        torch.testing.assert_close(flat.mean(0), torch.zeros_like(flat[0]), atol=1e-4, rtol=0)
        # Channels that hardly vary are divided by more than their deviation.
        assert (flat.std(0, correction=0) < 1.001).all()
        assert flat.std(0, correction=0).median() > 0.999


def test_one_seed_gives_one_bank(encoder: PatchCoreEncoder, fitted: Fitted[PatchCore]) -> None:
    again, other = fit(encoder), fit(encoder, seed=1)
    for layer, bank in enumerate(fitted.model.banks):
        assert torch.equal(again.model.banks[layer].vectors, bank.vectors)
        assert not torch.equal(other.model.banks[layer].vectors, bank.vectors)


def test_float16_holds_the_banks_exactly(fitted: Fitted[PatchCore]) -> None:
    fine, coarse = (bank.vectors for bank in fitted.model.banks)
    assert (fine.shape, coarse.shape) == ((11, 40), (29, 112))
    for vectors in (fine, coarse):
        assert torch.equal(vectors.half().float(), vectors)


def test_the_banks_grow_with_the_kinds_of_part(encoder: PatchCoreEncoder) -> None:
    fitted = fit(encoder, (GOOD[:2], GOOD[2:]), bank_size=24)
    assert sum(fitted.model.config.bank_sizes) == 48
    assert fitted.seen == GOOD
    assert_in_every_bank(fitted)


def test_few_pictures_give_smaller_banks(encoder: PatchCoreEncoder) -> None:
    fitted = fit(encoder, (GOOD[:3],), bank_size=2000)
    assert fitted.model.config.bank_sizes == (3 * 32, 3 * 8)


def test_too_few_pictures_are_refused(encoder: PatchCoreEncoder) -> None:
    with pytest.raises(FitError, match="at least 3 are needed"):
        fit(encoder, (GOOD[:2],))


def test_pictures_of_nothing_are_refused(encoder: PatchCoreEncoder) -> None:
    grey = np.full((32, 64, 3), 128, np.uint8)
    compute = Compute.choose("cpu", bf16=False)
    # Without biases an empty picture's features are the same everywhere.
    flat = {name: torch.zeros_like(weight) for name, weight in encoder.weights.items()}
    empty = PatchCoreEncoder("flat", CONFIG, encoder.recipe, flat)
    with pytest.raises(FitError, match="1 different good part"):
        fit_patchcore(
            (GOOD,), lambda _: grey, empty, OPTIONS, compute, part=[0] * len(GOOD), quiet=True
        )


def test_weights_that_do_not_fit_are_named(encoder: PatchCoreEncoder) -> None:
    weights = {name: one for name, one in encoder.weights.items() if name != "stem.bias"}
    other = PatchCoreEncoder("other", CONFIG, encoder.recipe, weights)
    with pytest.raises(EncoderError, match=r"other does not fit its model in stem\.bias"):
        load_into(PatchCore(CONFIG).encoder, other)
