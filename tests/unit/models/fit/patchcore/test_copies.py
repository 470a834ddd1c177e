from __future__ import annotations

import pytest
import torch

from models.fit.patchcore.copies import parts_of, sketch


def features(seed: int) -> torch.Tensor:
    return torch.randn(100, 24, generator=torch.Generator().manual_seed(seed))


def test_a_copy_with_a_little_noise_belongs_to_the_part_of_its_original() -> None:
    pictures = [features(number) for number in range(6)]
    pictures += [pictures[2] + 0.1 * features(7), pictures[4] + 0.1 * features(8)]

    parts = parts_of([sketch([picture], seed=0) for picture in pictures])

    assert parts == [[0], [1], [2, 6], [3], [4, 7], [5]]


def test_pictures_of_different_parts_stay_apart() -> None:
    parts = parts_of([sketch([features(number)], seed=1) for number in range(30)])

    assert parts == [[number] for number in range(30)]


def test_pictures_that_are_all_the_same_are_one_part() -> None:
    assert parts_of([sketch([features(0)], seed=0)] * 4) == [[0, 1, 2, 3]]


def test_a_chain_of_copies_is_one_part() -> None:
    line = torch.linspace(0, 1, 8)[:, None] * torch.ones(8, 4)

    assert parts_of([*line, torch.full((4,), 50.0), torch.full((4,), -50.0)])[0] == [*range(8)]


def test_many_pictures_are_compared_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.fit.patchcore.copies.AT_ONCE", 7)
    pictures = [features(number) for number in (0, 1, 0, 2)]

    assert parts_of([sketch([one], seed=0) for one in pictures]) == [[0, 2], [1], [3]]
