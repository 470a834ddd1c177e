import numpy as np
import pytest

from takt_export.synthetic.perlin import perlin_noise


def noise(cells: tuple[int, int], angle_rad: float = 0.0, seed: int = 0) -> np.ndarray:
    return perlin_noise((120, 160), cells, angle_rad, np.random.default_rng(seed))


@pytest.mark.parametrize("cells", [(1, 1), (32, 1), (7, 32)])
@pytest.mark.parametrize("angle_rad", [0.0, 0.8, -1.5])
def test_noise_has_mean_zero_and_stays_within_one(cells: tuple[int, int], angle_rad: float) -> None:
    many = np.stack([noise(cells, angle_rad, seed) for seed in range(30)])
    assert many.dtype == np.float32
    assert abs(many).max() <= 1
    assert abs(many).max() > 0.5
    assert abs(many.mean()) < 0.1


def test_noise_is_smooth_and_as_fine_as_its_lattice() -> None:
    def crossings(found: np.ndarray, axis: int) -> int:
        return int((np.diff(np.sign(found), axis=axis) != 0).sum())

    tall = noise((2, 16))
    assert crossings(tall, 1) > 3 * crossings(tall, 0)
    turned = noise((2, 16), np.pi / 2)
    assert crossings(turned, 0) > 3 * crossings(turned, 1)
    assert abs(np.diff(noise((2, 2)), axis=1)).max() < 0.1


def test_noise_is_zero_on_the_corners_of_the_lattice() -> None:
    # 5 cells of 1 pixel on 5 pixels: every pixel lies at the same place in its cell.
    found = perlin_noise((5, 5), (5, 5), 0.0, np.random.default_rng(0))
    assert abs(found).max() < 1e-6
