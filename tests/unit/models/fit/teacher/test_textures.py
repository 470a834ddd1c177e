from __future__ import annotations

import numpy as np

from takt_models.fit.teacher.textures import SIDE, texture


def test_a_seed_draws_the_same_surface_each_time() -> None:
    assert np.array_equal(texture(5), texture(5))


def test_seeds_draw_different_surfaces() -> None:
    surfaces = [texture(seed).tobytes() for seed in range(12)]
    assert len(set(surfaces)) == len(surfaces)


def test_surfaces_are_pictures_that_vary() -> None:
    for seed in range(12):
        surface = texture(seed)
        assert surface.shape == (SIDE, SIDE, 3) and surface.dtype == np.uint8
        assert surface.std((0, 1)).max() > 0.5


def test_grey_and_coloured_surfaces_are_drawn() -> None:
    grey = [bool((np.ptp(texture(seed), axis=2) == 0).all()) for seed in range(24)]
    assert 4 < sum(grey) < 20
