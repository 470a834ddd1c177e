from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from takt_models.fit.looks import MOST_PICTURES, NEAR, BestState, Looks

CPU = torch.device("cpu")
GREY = np.full((4, 4, 3), 128, np.uint8)
PATHS = tuple(Path(f"{number}.png") for number in range(MOST_PICTURES + 3))


def set_to(module: nn.Linear, value: float) -> None:
    with torch.no_grad():
        module.weight.fill_(value)


def kept_weight(aurocs: list[float]) -> tuple[float, BestState]:
    module = nn.Linear(1, 1)
    best = BestState(module)
    for step, auroc in enumerate(aurocs):
        set_to(module, step)
        best.offer(step, auroc)
    best.restore()
    return module.weight.item(), best


def test_the_state_with_the_highest_auroc_is_restored() -> None:
    weight, best = kept_weight([0.6, 0.9, 0.7])
    assert (weight, best.step, best.auroc) == (1.0, 1, 0.9)


def test_of_states_that_do_alike_the_last_one_is_restored() -> None:
    assert kept_weight([0.9, 0.9 - 0.9 * NEAR])[0] == 1.0


def test_small_losses_do_not_add_up() -> None:
    falling = [0.9 - 0.8 * NEAR * step for step in range(5)]
    assert kept_weight(falling)[1].step == 1


def test_without_a_look_the_module_stays_as_it_is() -> None:
    weight, best = kept_weight([])
    assert best.step is None
    assert best.auroc is None
    assert np.isfinite(weight)


def test_the_best_state_survives_an_interruption() -> None:
    _, best = kept_weight([0.6, 0.9, 0.7])
    module = nn.Linear(1, 1)
    resumed = BestState(module)
    resumed.load_state_dict(best.state_dict())
    resumed.offer(3, 0.8)
    resumed.restore()
    assert module.weight.item() == 1.0


def test_looks_take_a_few_pictures_only() -> None:
    looks = Looks(PATHS, lambda _: GREY, lambda _: [GREY, GREY], CPU)
    assert (len(looks.good), len(looks.spoiled)) == (MOST_PICTURES, 2 * MOST_PICTURES)


def test_pictures_on_which_no_defect_shows_are_not_looked_at() -> None:
    looks = Looks(PATHS, lambda _: GREY, lambda _: [], CPU)
    assert not looks
    assert looks.good == []


def test_without_made_up_defects_nothing_is_read() -> None:
    def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        raise AssertionError(path)

    assert not Looks(PATHS, read, None, CPU)
