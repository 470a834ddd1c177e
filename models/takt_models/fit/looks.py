"""Looks at held-out pictures of good parts and at made-up defects on them, and the best state.

A fit that goes on is not always a fit that gets better. Its looks tell, and the state that it ends
with is one that did well, not just the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from takt_models.fit.pictures import Load, as_image

T = TypeVar("T")

Spoil = Callable[[Path], Sequence[NDArray[np.uint8]]]
"""A function that reads a good picture as `Load` does, once with each of a few made-up defects."""

MOST_PICTURES = 6
"""Held-out pictures in a look. With two defects each, a look costs a few steps."""

LOOK = "made_up_auroc"
"""Name of a look's figure in the curve."""

LOOK_EVERY = 200
"""Steps between two looks: about a twentieth of a fit's time."""

EARLY_LOOK = 100
"""Step of one more look, as a fit may be at its best early."""

NEAR = 0.01
"""Loss of AUROC against the highest that does not count."""


def looks_at(step: int, steps: int) -> bool:
    """Whether a fit of `steps` steps looks after `step` of them; it does after the last.

    >>> [step for step in range(1, 451) if looks_at(step, 450)]
    [100, 200, 400, 450]
    """
    return step % LOOK_EVERY == 0 or step in (EARLY_LOOK, steps)


class Looks:
    """Held-out pictures, as they are and with made-up defects, kept in memory.

    Args:
        paths: pictures that are not fitted; at most `MOST_PICTURES` of them are taken.
        load: reads a picture as RGB uint8 [H,W,3] of the model's input.
        spoil: reads it so with made-up defects; None for no looks.
        device: device of the pictures.

    >>> grey = np.full((4, 4, 3), 128, np.uint8)
    >>> looks = Looks([Path("a.png")], lambda _: grey, lambda _: [grey // 2], torch.device("cpu"))
    >>> len(looks.good), len(looks.spoiled)
    (1, 1)
    """

    def __init__(
        self, paths: Sequence[Path], load: Load, spoil: Spoil | None, device: torch.device
    ) -> None:
        self.good: list[Tensor] = []
        self.spoiled: list[Tensor] = []
        if spoil is None:
            return
        for path in paths[:MOST_PICTURES]:
            altered = spoil(path)
            if altered:
                self.good.append(as_image(load(path), device))
                self.spoiled += [as_image(picture, device) for picture in altered]

    def __bool__(self) -> bool:
        return bool(self.spoiled)


def share_told_apart(good: Sequence[T], spoiled: Sequence[T], score: Callable[[T], float]) -> float:
    """Share of the pairs of a good and a spoiled picture whose spoiled one scores higher: AUROC.

    >>> share_told_apart([1, 2], [2, 3], float)
    0.875
    """
    low = np.array([score(one) for one in good])[:, None]
    high = np.array([score(one) for one in spoiled])
    return float(np.mean((high > low) + 0.5 * (high == low)))


class BestState:
    """The latest state of a module whose AUROC was within a hundredth of the highest.

    A later state has learned more, so a difference that is chance decides nothing.

    Args:
        module: module that is fitted.

    >>> module = nn.Linear(1, 1)
    >>> best = BestState(module)
    >>> for step, auroc in enumerate((0.7, 0.9, 0.895, 0.6)):
    ...     best.offer(step, auroc)
    >>> best.step, best.auroc
    (2, 0.895)
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._weights: dict[str, Tensor] = {}
        self._highest = -1.0
        self.step: int | None = None
        self.auroc: float | None = None

    def offer(self, step: int, auroc: float) -> None:
        """Keeps the module's present state, that after `step` steps, if it does well."""
        self._highest = max(self._highest, auroc)
        if auroc < self._highest - NEAR:
            return
        self.step, self.auroc = step, auroc
        self._weights = {
            name: value.detach().cpu().clone() for name, value in self._module.state_dict().items()
        }

    def restore(self) -> None:
        """Gives the module its best state; without a look it stays as it is."""
        if self._weights:
            self._module.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """The state that was kept, and its figures."""
        return {
            "weights": self._weights,
            "highest": self._highest,
            "step": self.step,
            "auroc": self.auroc,
        }

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Restores the state that was kept."""
        self._weights = state_dict["weights"]
        self._highest = state_dict["highest"]
        self.step = state_dict["step"]
        self.auroc = state_dict["auroc"]
