from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.fit.device import Compute
from takt_models.fit.patchcore import turning
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.fit.patchcore.turning import TURNS, read_turned
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from tests.patchcore import a_patchcore

Picture = NDArray[np.uint8]
Load = Callable[[Path], Picture]
COUNT = 12
BANK_SIZE = 200


@pytest.fixture(scope="module")
def model() -> PatchCore:
    return a_patchcore(PatchCoreConfig((1, 1), 96, 96))


def surface(path: Path) -> Picture:
    """Coarse noise, which looks alike from everywhere."""
    noise = np.random.default_rng(int(path.stem)).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return noise.repeat(8, 0).repeat(8, 1)


def half_bright(path: Path) -> Picture:
    """A part whose left half is bright."""
    picture = surface(path) // 4
    picture[:, :48] += 190
    return picture


def labelled(path: Path) -> Picture:
    """A surface with a small label in its upper left corner."""
    picture = surface(path) // 16 + 120
    picture[:16, :16] = 0
    return picture


def features_of(model: PatchCore, load: Load, count: int = COUNT) -> PictureFeatures:
    paths = [Path(f"{number}.png") for number in range(count)]
    features = PictureFeatures(paths, load, model, Compute.choose("cpu", bf16=False))
    features.read(range(count))
    return features


def each_alone(features: PictureFeatures) -> list[tuple[int]]:
    return [(number,) for number in range(len(features))]


def turns_of(model: PatchCore, load: Load) -> tuple[str, ...]:
    features = features_of(model, load)
    return read_turned(features, each_alone(features), BANK_SIZE, seed=0)


def test_a_surface_is_seen_in_every_turn(model: PatchCore) -> None:
    assert turns_of(model, surface) == tuple(TURNS)


def test_a_part_that_always_lies_alike_is_seen_only_as_it_may_lie(model: PatchCore) -> None:
    assert turns_of(model, half_bright) == ("upside down",)


def test_a_small_label_that_would_stand_elsewhere_is_enough_against_a_turn(
    model: PatchCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert turns_of(model, labelled) == ()
    monkeypatch.setattr(turning, "MEAN_ALIKE", float("inf"))
    assert turns_of(model, labelled) == ()


@pytest.mark.torch
def test_pictures_of_a_part_ask_no_bank_that_has_seen_the_part(model: PatchCore) -> None:
    # Each picture comes twice: whoever asks about one of a pair has the other one in the bank.
    def twice(path: Path) -> Picture:
        return surface(Path(f"{int(path.stem) // 2}.png"))

    pairs = [(number, number + 1) for number in range(0, COUNT, 2)]
    features = features_of(model, twice)
    assert read_turned(features, pairs, BANK_SIZE, seed=0) == tuple(TURNS)
    features = features_of(model, twice)
    assert read_turned(features, each_alone(features), BANK_SIZE, seed=0) == ()


@pytest.mark.parametrize(("count", "few"), [(COUNT, COUNT - 1), (2, COUNT)])
def test_many_pictures_and_too_few_to_ask_are_seen_as_they_are(
    model: PatchCore, monkeypatch: pytest.MonkeyPatch, count: int, few: int
) -> None:
    monkeypatch.setattr(turning, "FEW", few)
    features = features_of(model, surface, count)
    assert read_turned(features, each_alone(features), BANK_SIZE, seed=0) == ()


def test_an_encoder_that_it_was_not_tried_with_sees_pictures_as_they_are(model: PatchCore) -> None:
    features = features_of(model, surface)
    other = replace(features, model=PatchCore.__new__(PatchCore))
    other.model.config = PatchCoreConfig((1,), 28, 28, encoder="dinov2", layers=(0,))
    assert read_turned(other, each_alone(features), BANK_SIZE, seed=0) == ()


@pytest.mark.torch
def test_turned_pictures_give_candidates_with_their_own_picture_alone(model: PatchCore) -> None:
    def mirrored(path: Path) -> Picture:
        return np.ascontiguousarray(half_bright(path)[:, ::-1])

    features, others = features_of(model, half_bright), features_of(model, mirrored)
    for one in (features, others):
        one.measure(range(COUNT))
    features.read_turned([TURNS["left to right"]])
    for layer, candidates in enumerate(features.candidates([3])):
        own = torch.cat([one.raw(3)[layer] for one in (features, others)])
        bank = model.banks[layer]
        assert len(candidates) == len(own)
        torch.testing.assert_close(
            candidates.sort(0).values, bank.standardize(own).sort(0).values, rtol=0, atol=0.01
        )
