from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.fit.device import Compute
from takt_models.fit.inpformer.tokens import (
    SPREAD_FLOOR,
    EncodedPictures,
    FlatTokensError,
    set_token_statistics,
)
from takt_models.fit.inpformer.views import VIEWS, view
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.lite0 import Lite0Encoder
from tests.inpformer import LIGHT

PATHS = tuple(Path(f"{number}.png") for number in range(3))
CPU = Compute.choose("cpu", bf16=False)


class Reader:
    """Pictures of noise; counts how often it is asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        self.count += 1
        noise = np.random.default_rng(int(path.stem))
        return noise.integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> InpFormer:
    torch.manual_seed(0)
    return InpFormer(LIGHT).eval().requires_grad_(False)


def test_what_was_encoded_is_kept(model: InpFormer) -> None:
    reader = Reader()
    pictures = EncodedPictures(PATHS, reader, model, CPU)
    first = pictures.batch([0, 2])
    assert [group.shape for group in first] == [(2, 16, 240)] * 2
    again = pictures.batch([2, 0])
    assert reader.count == 2
    assert all(torch.equal(a, b.flip(0)) for a, b in zip(first, again, strict=True))


def test_what_finds_no_room_is_computed_again_and_is_the_same(model: InpFormer) -> None:
    reader = Reader()
    kept = EncodedPictures(PATHS, reader, model, CPU).batch([1, 1])
    bounded = EncodedPictures(PATHS, reader, model, CPU, room=0)
    reader.count = 0
    for ours, theirs in zip(bounded.batch([1, 1]), kept, strict=True):
        assert torch.equal(ours, theirs)
    assert reader.count == 2


def test_augmented_pictures_come_in_all_views(model: InpFormer) -> None:
    pictures = EncodedPictures(PATHS, Reader(), model, CPU, augmented=True)
    assert len(pictures) == 3 * VIEWS
    image = pictures.image(VIEWS)
    for number in range(VIEWS):
        assert torch.equal(pictures.image(VIEWS + number), view(image, number))


def test_the_statistics_standardise_every_output(model: InpFormer) -> None:
    pictures = EncodedPictures(PATHS, Reader(), model, CPU)
    set_token_statistics(model, pictures)
    images = torch.cat([pictures.image(index) for index in range(3)])
    for tokens in model.encode(model.normalize(images)):
        used = tokens[..., tokens.abs().amax((0, 1)) > 0]
        assert used.mean((0, 1)).abs().max() < 1e-3
        assert used.std((0, 1), correction=0).max() < 1 + 1e-3


def test_a_channel_that_hardly_varies_is_divided_by_the_floor(model: InpFormer) -> None:
    assert isinstance(model.encoder, Lite0Encoder)
    other = InpFormer(LIGHT).eval().requires_grad_(False)
    other.load_state_dict(model.state_dict())
    assert isinstance(other.encoder, Lite0Encoder)
    for block in other.encoder.blocks[-3:]:
        block.project.weight[5] = 0
    set_token_statistics(other, EncodedPictures(PATHS, Reader(), other, CPU))
    std = other.encoder.std.split(other.encoder.widths)[-1]
    torch.testing.assert_close(std[5], SPREAD_FLOOR * std.median(), rtol=0.1, atol=0)


def test_pictures_on_which_nothing_varies_are_refused(model: InpFormer) -> None:
    def empty(path: Path) -> NDArray[np.uint8]:
        return np.zeros((64, 64, 3), np.uint8)

    silent = InpFormer(LIGHT).eval().requires_grad_(False)
    assert isinstance(silent.encoder, Lite0Encoder)
    for block in silent.encoder.blocks:
        block.project.weight.zero_()
    with pytest.raises(FlatTokensError, match="never varies"):
        set_token_statistics(silent, EncodedPictures(PATHS, empty, silent, CPU))


@pytest.mark.parametrize("number", range(VIEWS))
def test_a_view_is_a_picture_of_the_same_size(number: int) -> None:
    image = torch.rand(1, 3, 20, 20)
    seen = view(image, number)
    assert seen.shape == image.shape
    assert seen.min() >= 0 and seen.max() <= 1
    assert torch.equal(seen, image) == (number == 0)


def test_a_view_moves_what_is_in_the_picture_as_it_says() -> None:
    image = torch.zeros(1, 3, 40, 40)
    image[..., 19:21, 19:21] = 1
    right_and_down = view(image, 9)
    rows, columns = (right_and_down[0, 0] > 0.5).nonzero().float().mean(0).tolist()
    assert (rows, columns) == pytest.approx((19.5 + 0.2 * 20, 19.5 + 0.2 * 20), abs=0.6)
    image[..., 0, 0] = 1
    assert view(image, VIEWS - 5)[0, 0, 0, -1] == 1  # mirrored
    assert view(image, VIEWS - 3)[0, 0, -1, 0] == 1  # turned by a right angle, to the left
