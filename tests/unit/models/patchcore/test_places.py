from __future__ import annotations

import pytest
import torch

from takt_models.patchcore.places import LEAST_SPREAD, PRIOR_MAPS, SEEN_BEYOND, Places, left_out

SHAPE = (2, 6, 9)


def draw(count: int, seed: int = 0) -> torch.Tensor:
    """Distances [n,L,h,w] of pictures whose places are all alike."""
    noise = torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed))
    return 0.5 + 0.05 * noise


def test_a_picture_is_left_out_of_the_statistics_that_score_it() -> None:
    distances = draw(12)

    maps = left_out(distances)

    assert maps.shape == (12, 6, 9)
    for number, one in enumerate(distances):
        others = torch.cat([distances[:number], distances[number + 1 :]])
        usual, spread = Places.of(others).statistics()
        torch.testing.assert_close(maps[number], ((one - usual) / spread).mean(0))
        for got, expected in zip(
            Places.of(distances).without(one).statistics(), (usual, spread), strict=True
        ):
            torch.testing.assert_close(got, expected)


def test_an_odd_picture_cannot_call_itself_usual() -> None:
    distances = draw(20)
    distances[3, :, 2:4, 3:5] += 1.0

    usual, spread = Places.of(distances).statistics()
    known = ((distances[3] - usual) / spread).mean(0)

    assert float(left_out(distances)[3].max()) > 1.5 * float(known.max())


def test_a_place_that_is_always_far_from_the_bank_is_usual() -> None:
    border = torch.zeros(SHAPE)
    border[:, :, :3] = 1.0
    usual, spread = Places.of(draw(2000) + border).statistics()

    one = draw(1, seed=1)[0]
    as_usual = ((one + border - usual) / spread).mean(0)
    # The same distance is odd where it is not usual.
    one[:, 3, 6] += 1.0
    odd = ((one + border - usual) / spread).mean(0)

    assert float(usual[:, :, 0].min()) > 1.4
    # Means of neighbours blur the step from the third column to the fourth.
    assert float(as_usual[:, :2].max()) < 4
    assert float(odd[3, 6]) > 10


def test_a_place_that_varies_has_a_larger_deviation() -> None:
    distances = draw(300)
    distances[:, :, :, :4] = 0.5 + 10 * (distances[:, :, :, :4] - 0.5)
    _, spread = Places.of(distances).statistics()
    assert float(spread[:, :, :3].min()) > 4 * float(spread[:, :, 6:].max())


def test_few_pictures_lean_on_all_places_together() -> None:
    def far(count: int) -> float:
        """What is usual at one place that lies higher than the others."""
        distances = torch.full((count, 1, 9, 9), 0.5)
        distances[:, :, 3:6, 3:6] = 1.5
        usual, _ = Places.of(distances).statistics()
        everywhere = float(distances.mean())
        return (float(usual[0, 4, 4]) - everywhere) / (1.5 - everywhere)

    assert far(2) == pytest.approx(2 / (2 + PRIOR_MAPS))
    assert far(PRIOR_MAPS) == pytest.approx(0.5)
    assert far(2000) > 0.98


def test_no_deviation_is_far_below_those_of_other_places() -> None:
    distances = draw(400)
    distances[:, :, :, :3] = 0.5
    _, spread = Places.of(distances).statistics()
    for layer in spread:
        assert float(layer.min()) == pytest.approx(LEAST_SPREAD * float(layer.median()), rel=1e-5)


def test_pictures_that_never_vary_give_no_infinite_values() -> None:
    distances = torch.full((5, *SHAPE), 0.3)
    usual, spread = Places.of(distances).statistics()
    torch.testing.assert_close(usual, torch.full(SHAPE, 0.3))
    assert bool((spread > 0).all())
    assert bool(left_out(distances).isfinite().all())


def test_a_place_that_the_served_bank_lacks_is_usual_there() -> None:
    places = Places.of(draw(100))
    usual, spread = places.statistics()
    # Each picture is twenty deviations farther from the served bank at one place, one at another.
    seen = usual - 0.1 * spread
    seen[1, 2, 3] = usual[1, 2, 3] + 20 * spread[1, 2, 3]
    seen[1, 4, 4] = usual[1, 4, 4] + 0.9 * SEEN_BEYOND * spread[1, 4, 4]

    served, deviation = places.served(seen)

    assert torch.equal(deviation, spread)
    assert (served > usual).sum() == 1
    left = SEEN_BEYOND * float(spread[1, 2, 3])
    assert float((seen - served)[1, 2, 3]) == pytest.approx(left, rel=1e-4)


def test_of_no_picture_distances_stay_as_they_are() -> None:
    (usual, spread) = Places.of(torch.zeros(0, *SHAPE)).statistics()
    assert torch.equal(usual, torch.zeros(SHAPE))
    assert torch.equal(spread, torch.ones(SHAPE))


def test_sums_are_exact_enough_to_take_a_picture_out_of_thousands() -> None:
    distances = draw(2000)
    one = distances[7]
    without = Places.of(distances).without(one)
    others = Places.of(torch.cat([distances[:7], distances[8:]]))
    assert without.count == others.count
    torch.testing.assert_close(without.squares, others.squares, rtol=1e-12, atol=1e-9)
