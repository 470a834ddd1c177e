from __future__ import annotations

import pytest
import torch

from takt_models.patchcore import coreset
from takt_models.patchcore.coreset import PROJECTED, greedy_k_centre, projected


def plainly(points: torch.Tensor, count: int) -> list[int]:
    """Greedy k-centre as a textbook has it."""
    chosen = [int((points - points.mean(0)).square().sum(1).argmax())]
    while len(chosen) < count:
        nearest = torch.cdist(points, points[chosen]).amin(1)
        chosen.append(int(nearest.argmax()))
    return chosen


@pytest.mark.parametrize("front", [1, 7, 1000])
def test_the_subset_is_that_of_the_textbook(front: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coreset, "FRONT", front)
    monkeypatch.setattr(coreset, "ROWS", 100)
    vectors = torch.randn(600, 8, generator=torch.Generator().manual_seed(1))

    assert greedy_k_centre(vectors, 60, seed=0).tolist() == plainly(vectors, 60)


def test_the_same_vectors_are_chosen_in_whatever_order_they_come() -> None:
    draw = torch.Generator().manual_seed(2)
    vectors = torch.randn(400, 100, generator=draw)
    order = torch.randperm(400, generator=draw)

    as_they_are = vectors[greedy_k_centre(vectors, 30, seed=5)]
    shuffled = vectors[order][greedy_k_centre(vectors[order], 30, seed=5)]

    torch.testing.assert_close(as_they_are, shuffled, rtol=0, atol=0)


def test_equal_vectors_are_chosen_once() -> None:
    vectors = torch.eye(3).repeat(50, 1) + 1000

    chosen = greedy_k_centre(vectors, 40, seed=0)

    assert len(vectors[chosen].unique(dim=0)) == 3
    assert len(chosen) == 3


def test_a_single_vector_is_its_own_subset() -> None:
    assert greedy_k_centre(torch.ones(1, 4), 10, seed=0).tolist() == [0]


def test_a_projection_keeps_distances_about_the_same() -> None:
    vectors = torch.randn(200, 152, generator=torch.Generator().manual_seed(3)) + 50

    ratio = torch.pdist(projected(vectors, 0)) / torch.pdist(vectors)

    assert projected(vectors, 0).shape == (200, PROJECTED)
    assert float(ratio.mean()) == pytest.approx(1, abs=0.1)
    assert float(ratio.min()) > 0.6


def test_a_lone_odd_vector_is_among_the_first() -> None:
    vectors = torch.randn(5000, 152, generator=torch.Generator().manual_seed(4))
    vectors[1234] += 10

    assert 1234 in greedy_k_centre(vectors, 3, seed=0).tolist()
