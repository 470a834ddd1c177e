"""Few good pictures, seen turned besides, so that the banks know more of what is good.

Where there are few pictures, each of a part that lies otherwise or of a surface, each has cells
that no other one has. Such a part may come mirrored, too. A part that always lies alike may not,
and its turned cells would only take the place of others in the banks.

So a turn is taken where turned good pictures are about as near to a bank as they are untouched: a
bank of half of the parts is asked about the other half. Their cells are candidates for the banks
and nothing more: what is scored out of fold, and so what is usual at each place and where the
thresholds are, is of pictures as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from types import MappingProxyType

import torch
from torch import Tensor

from takt_models.dinov2.maps import mean_of_highest
from takt_models.fit.patchcore.features import Flip, PictureFeatures
from takt_models.patchcore.coreset import greedy_k_centre

FEW = 50
"""Most pictures that are seen turned; of more, turned ones take the place of better ones."""

MEAN_ALIKE = 1.06
"""Most that turned pictures may be farther from a bank, as a multiple of how far others are."""

HIGHEST_ALIKE = 1.1
"""The same of their farthest hundredth, such as a label that would stand on its head."""

MOST_ASKED = 10
"""Most parts that are asked about, by the first picture of each."""

TURNS: MappingProxyType[str, Flip] = MappingProxyType(
    {"left to right": (3,), "upside down": (2,), "half round": (2, 3)}
)
"""Flips that keep a picture's size, by their name."""


def read_turned(
    features: PictureFeatures, parts: Sequence[Sequence[int]], bank_size: int, seed: int
) -> tuple[str, ...]:
    """Reads the pictures in each of the turns in which they look alike, if they are few.

    Args:
        features: features that have been read.
        parts: numbers of the pictures of each part.
        bank_size: vectors of the deepest layer's bank.
        seed: seed of the choice of a bank.

    Returns:
        The names of the turns; none for more than `FEW` pictures.

    Raises:
        FitError: the pictures never vary.
    """
    # It was tried with this encoder alone.
    if features.model.config.encoder != "lite0" or len(features) > FEW or len(parts) < 3:
        return ()
    names = alike_turns(features, parts, bank_size, seed)
    if names:
        features.read_turned([TURNS[name] for name in names])
    return names


@torch.no_grad()
def alike_turns(
    features: PictureFeatures, parts: Sequence[Sequence[int]], bank_size: int, seed: int
) -> tuple[str, ...]:
    """The names of the turns in which good pictures look alike, by the deepest layer.

    Args:
        features: features that have been read.
        parts: numbers of the pictures of each part; at least two parts.
        bank_size: vectors of the bank that is asked.
        seed: seed of its choice.

    Raises:
        FitError: the pictures never vary.
    """
    known = tuple(chain.from_iterable(parts[::2]))
    asked = [part[0] for part in parts[1::2][:MOST_ASKED]]
    features.measure(known)
    candidates = features.candidates(known)[-1]
    bank = features.model.banks[-1]
    vectors = candidates[greedy_k_centre(candidates, bank_size, seed=seed)].to(bank.mean.device)

    def far(raw: Tensor) -> Tensor:
        found = bank.distance(bank.standardize(raw)[None], vectors).flatten()
        return torch.stack([found.mean(), mean_of_highest(found[None])[0]])

    usual = torch.stack([far(features.raw(one)[-1]) for one in asked]).mean(0)
    most = usual * usual.new_tensor([MEAN_ALIKE, HIGHEST_ALIKE])
    turned = torch.stack(
        [
            torch.stack([far(layers[-1]) for layers in features.turned(one, [*TURNS.values()])])
            for one in asked
        ]
    ).mean(0)
    alike = (turned <= most).all(1).tolist()
    return tuple(name for name, borne in zip(TURNS, alike, strict=True) if borne)


def turned_text(names: Sequence[str], pictures: int) -> str:
    """What is told of pictures that were seen turned besides.

    Args:
        names: of the turns; at least one.
        pictures: number of the pictures.

    >>> print(turned_text(["upside down", "half round"], 30).partition("; ")[0])
    seen turned, upside down and half round: 30 good pictures are few and look much the same so
    """
    *others, last = names
    listed = f"{', '.join(others)} and {last}" if others else last
    return (
        f"seen turned, {listed}: {pictures} good pictures are few and look much the same so; where "
        f"a part that lies so is a defect, learn from more than {FEW}"
    )
