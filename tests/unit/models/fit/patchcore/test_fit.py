from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.checkpoints.facts import InputRecipe
from takt_models.fit.device import Compute
from takt_models.fit.errors import FitError
from takt_models.fit.inpformer.encoders import EncoderError
from takt_models.fit.patchcore import turning
from takt_models.fit.patchcore.encoders import PatchCoreEncoder, load_into
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.patchcore.turning import TURNS
from takt_models.fit.progress import Fitted
from takt_models.patchcore.bank import LEAST_DISTANCE
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from takt_models.patchcore.places import Places
from tests.patchcore import a_patchcore

CONFIG = PatchCoreConfig(bank_sizes=(1, 1), width=64, height=32)
OPTIONS = PatchCoreOptions(bank_size=40)
GOOD = tuple(Path(f"good/{number}.png") for number in range(8))


@pytest.fixture(scope="module", autouse=True)
def as_they_are() -> Iterator[None]:
    """Leaves pictures unturned: noise would be seen in every turn."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(turning, "FEW", 0)
        yield


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


def shares_in_banks(fitted: Fitted[PatchCore], number: int) -> list[float]:
    """The share of a picture's cells that are vectors, by layer."""
    model = fitted.model
    with torch.no_grad():
        layers = model.embed(model.normalize(images_of([fitted.seen[number]])))
        return [
            float((bank(raw) < 2 * LEAST_DISTANCE).float().mean())
            for bank, raw in zip(model.banks, layers, strict=True)
        ]


def test_every_picture_is_in_the_one_bank_and_is_scored_without_itself(
    encoder: PatchCoreEncoder,
) -> None:
    # All cells find room, so that each picture's own are known.
    whole = fit(encoder, bank_size=2000)
    assert whole.seen == GOOD
    assert whole.calibration == ()
    for number in range(len(GOOD)):
        assert min(shares_in_banks(whole, number)) == 1
    scored = whole.out_of_fold
    assert scored is not None
    assert (scored.pictures, scored.folds) == (tuple(range(8)), 8)
    assert scored.distances.shape == (8, 2, 4, 8)
    assert scored.maps.shape == (8, 4, 8)
    assert (scored.distances > 5 * LEAST_DISTANCE).all()


def test_few_pictures_that_look_alike_turned_fill_the_banks_so_and_are_scored_as_they_are(
    encoder: PatchCoreEncoder, fitted: Fitted[PatchCore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turning, "FEW", len(GOOD))
    turned = fit(encoder, bank_size=8000)
    assert turned.turned == tuple(TURNS)
    assert fitted.turned == ()
    # Each of eight pictures has 32 and 8 cells, and is there in four ways, and moved.
    assert turned.model.config.bank_sizes == (8 * 5 * 32, 8 * 5 * 8)
    assert min(shares_in_banks(turned, 0)) == 1
    assert turned.out_of_fold is not None
    assert (turned.out_of_fold.pictures, turned.out_of_fold.folds) == (tuple(range(8)), 8)
    assert (turned.out_of_fold.distances > 5 * LEAST_DISTANCE).all()


def test_what_is_usual_at_each_place_is_served(fitted: Fitted[PatchCore]) -> None:
    assert fitted.out_of_fold is not None
    model = fitted.model
    with torch.no_grad():
        seen = model.distances(model.embed(model.normalize(images_of(GOOD)))).mean(1)
    usual, spread = Places.of(fitted.out_of_fold.distances).served(seen)
    torch.testing.assert_close(model.usual, usual, rtol=1e-3, atol=0)
    assert torch.equal(model.spread, spread)
    assert float(spread.min()) > 0


def test_an_unseen_good_picture_scores_like_the_good_ones_out_of_fold(
    encoder: PatchCoreEncoder,
) -> None:
    good = tuple(Path(f"good/{number}.png") for number in range(60))
    fitted = fit(encoder, (good,), bank_size=300)
    unseen = [Path(f"good/{number}.png") for number in range(1000, 1060)]
    assert fitted.out_of_fold is not None
    out_of_fold = fitted.out_of_fold.maps.flatten(1)
    with torch.no_grad():
        anomaly_map, scores = fitted.model(images_of(unseen))
        _, seen = fitted.model(images_of(good))

    expected = fitted.model.score_of(out_of_fold)
    # The deviation of scores is about 0.5.
    assert float(scores.median()) == pytest.approx(float(expected.median()), abs=0.4)
    assert float(anomaly_map.mean()) == pytest.approx(float(out_of_fold.mean()), abs=0.2)
    # What the bank has seen says nothing of a threshold.
    assert float(seen.median()) < float(expected.median()) - 0.2


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
    assert fitted.out_of_fold.pictures == tuple(range(8))
    assert (fitted.out_of_fold.distances > 5 * LEAST_DISTANCE).all()


def test_the_features_are_standardised_by_the_pictures(fitted: Fitted[PatchCore]) -> None:
    model = fitted.model
    with torch.no_grad():
        layers = model.embed(model.normalize(images_of(GOOD)))
    for bank, raw in zip(model.banks, layers, strict=True):
        flat = bank.standardize(raw).flatten(0, 1)
        # They are kept in half precision.
        torch.testing.assert_close(flat.mean(0), torch.zeros_like(flat[0]), atol=1e-3, rtol=0)
        # Channels that hardly vary are divided by more than their deviation.
        assert (flat.std(0, correction=0) < 1.001).all()
        assert flat.std(0, correction=0).median() > 0.999


def test_one_seed_gives_one_model(encoder: PatchCoreEncoder, fitted: Fitted[PatchCore]) -> None:
    again, other = fit(encoder), fit(encoder, seed=1)
    for name, one in fitted.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], one), name
    # The seed of the projection chooses other vectors where channels are many.
    coarse = (model.banks[1].vectors for model in (fitted.model, other.model))
    assert not torch.equal(*coarse)


def test_float16_holds_the_banks_exactly(fitted: Fitted[PatchCore]) -> None:
    fine, coarse = (bank.vectors for bank in fitted.model.banks)
    assert (fine.shape, coarse.shape) == ((11, 40), (29, 112))
    for vectors in (fine, coarse):
        assert torch.equal(vectors.half().float(), vectors)


def test_the_banks_grow_with_the_kinds_of_part(encoder: PatchCoreEncoder) -> None:
    fitted = fit(encoder, (GOOD[:2], GOOD[2:]), bank_size=24)
    assert sum(fitted.model.config.bank_sizes) == 48
    assert fitted.seen == GOOD


def test_few_pictures_give_smaller_banks(encoder: PatchCoreEncoder) -> None:
    fitted = fit(encoder, (GOOD[:3],), bank_size=2000)
    # Each picture is there as it is, and moved.
    assert fitted.model.config.bank_sizes == (3 * 2 * 32, 3 * 2 * 8)


def test_too_few_pictures_are_refused(encoder: PatchCoreEncoder) -> None:
    with pytest.raises(FitError, match="at least 3 are needed"):
        fit(encoder, (GOOD[:2],))


def test_pictures_of_nothing_are_refused(encoder: PatchCoreEncoder) -> None:
    grey = np.full((32, 64, 3), 128, np.uint8)
    compute = Compute.choose("cpu", bf16=False)
    # Without biases an empty picture's features are the same everywhere.
    flat = {name: torch.zeros_like(weight) for name, weight in encoder.weights.items()}
    empty = PatchCoreEncoder("flat", CONFIG, encoder.recipe, flat)
    with pytest.raises(FitError, match="show one good part"):
        fit_patchcore(
            (GOOD,), lambda _: grey, empty, OPTIONS, compute, part=[0] * len(GOOD), quiet=True
        )


def test_weights_that_do_not_fit_are_named(encoder: PatchCoreEncoder) -> None:
    weights = {name: one for name, one in encoder.weights.items() if name != "stem.bias"}
    other = PatchCoreEncoder("other", CONFIG, encoder.recipe, weights)
    with pytest.raises(EncoderError, match=r"other does not fit its model in stem\.bias"):
        load_into(PatchCore(CONFIG).encoder, other)
