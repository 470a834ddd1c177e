from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.fit.pictures import OtherPictures, TrainingPictures, grey, jitter, penalty_crop

CPU = torch.device("cpu")
PATHS = tuple(Path(str(number)) for number in range(5))
LEVELS = (20, 35, 60, 105, 185)
"""Further apart than the jitter's 20 %."""


def flat(path: Path) -> NDArray[np.uint8]:
    """A grey picture, its level known by its name."""
    return np.full((8, 8, 3), LEVELS[int(path.name)], np.uint8)


def draws(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(number) for number in range(count)]


def number_of(image: torch.Tensor) -> int:
    """Which flat picture it was before the jitter."""
    return min(range(5), key=lambda n: abs(math.log(255 * image.mean().item() / LEVELS[n])))


def test_jitter_changes_one_property_by_a_fifth_at_most() -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25
    seen: set[str] = set()
    for draw in draws(40):
        changed = jitter(image, draw)
        assert changed.min() >= 0 and changed.max() <= 1
        same_luma = torch.allclose(grey(changed), grey(image), atol=1e-5)
        same_mean = abs(grey(changed).mean().item() - grey(image).mean().item()) < 1e-5
        kind = "saturation" if same_luma else "contrast" if same_mean else "brightness"
        seen.add(kind)
        if kind == "brightness":
            factor = changed / image
            torch.testing.assert_close(factor, torch.full_like(factor, factor.mean().item()))
            assert 0.8 <= factor.mean() <= 1.2
        else:
            assert 0.79 < (changed.std() / image.std()).item() < 1.21
    assert seen == {"saturation", "contrast", "brightness"}


def test_grey_weighs_the_channels_as_luma() -> None:
    pure = torch.eye(3).view(3, 3, 1, 1)
    assert grey(pure).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])


def test_each_good_picture_comes_once_in_an_epoch() -> None:
    pictures = TrainingPictures(PATHS, flat, seed=0, device=CPU)
    epochs = [[number_of(pictures.at(5 * epoch + turn)) for turn in range(5)] for epoch in range(3)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_plain_pictures_come_unchanged_and_in_order() -> None:
    images = list(TrainingPictures(PATHS, flat, seed=0, device=CPU).plain())
    assert [image.shape for image in images] == [(1, 3, 8, 8)] * 5
    assert [round(image.mean().item() * 255) for image in images] == list(LEVELS)


@pytest.mark.parametrize(("variety", "least", "most"), [(0.0, 0, 0), (0.5, 40, 60), (1.0, 99, 100)])
def test_a_share_of_the_steps_sees_its_picture_varied(
    variety: float, least: int, most: int
) -> None:
    def slope(_: Path) -> NDArray[np.uint8]:
        return np.repeat(np.arange(8, dtype=np.uint8)[:, None, None] * 10, 8, 1).repeat(3, 2)

    plain = TrainingPictures(PATHS, slope, seed=0, device=CPU)
    varied = TrainingPictures(PATHS, slope, seed=0, device=CPU, variety=variety)
    changed = sum(not torch.equal(plain.at(step), varied.at(step)) for step in range(100))
    assert least <= changed <= most


def test_a_good_picture_is_read_once() -> None:
    read: list[Path] = []

    def load(path: Path) -> NDArray[np.uint8]:
        read.append(path)
        return flat(path)

    pictures = TrainingPictures(PATHS, load, seed=0, device=CPU)
    for step in range(12):
        pictures.at(step)
    assert sorted(read) == sorted(PATHS)


@pytest.mark.parametrize("step", [0, 17])
def test_a_step_sees_the_same_under_one_seed_only(step: int) -> None:
    def noise(path: Path) -> NDArray[np.uint8]:
        return np.random.default_rng(int(path.name)).integers(0, 256, (60, 90, 3), dtype=np.uint8)

    def good(seed: int) -> torch.Tensor:
        return TrainingPictures(PATHS, noise, seed, CPU).at(step)

    def other(seed: int) -> torch.Tensor:
        return OtherPictures(PATHS, noise, 16, 0.25, seed, CPU).at(step)

    assert torch.equal(good(1), good(1))
    assert torch.equal(other(1), other(1))
    assert not torch.equal(good(1), good(2))
    assert not torch.equal(other(1), other(2))


@pytest.mark.parametrize("shape", [(300, 500), (40, 30), (1, 1), (2000, 3)])
def test_a_penalty_crop_of_any_picture_is_a_square(shape: tuple[int, int]) -> None:
    for draw in draws(10):
        crop = penalty_crop(torch.rand(1, 3, *shape), 48, 0.28, draw)
        assert crop.shape == (1, 3, 48, 48)
        assert crop.min() >= 0 and crop.max() <= 1


def test_a_penalty_crop_shows_its_share_of_the_picture() -> None:
    ramp = torch.linspace(0, 1, 512).view(1, 1, 1, 512).expand(1, 3, 256, 512)
    starts = []
    for draw in draws(30):
        crop = penalty_crop(ramp, 64, 0.25, draw)
        assert (crop[..., -1] - crop[..., 0]).mean().item() == pytest.approx(0.25, abs=0.01)
        starts.append(crop[0, 0, 0, 0].item())
    assert min(starts) < 0.15
    assert max(starts) > 0.6


def test_three_penalty_crops_in_ten_are_grey() -> None:
    image = torch.rand(1, 3, 20, 20)
    crops = [penalty_crop(image, 8, 0.5, draw) for draw in draws(300)]
    share = sum(torch.equal(crop[:, 0], crop[:, 1]) for crop in crops) / len(crops)
    assert share == pytest.approx(0.3, abs=0.08)
