"""The fit of a PatchCore on good pictures (Roth et al., CVPR 2022).

Nothing is trained. The features of good pictures are standardised, and a greedy k-centre coreset
of them becomes the bank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.fit.device import Compute, place
from models.fit.errors import FitError
from models.fit.patchcore.encoders import PatchCoreEncoder, load_into
from models.fit.patchcore.features import PictureFeatures
from models.fit.patchcore.options import PatchCoreOptions
from models.fit.pictures import Load
from models.fit.progress import Fitted, Progress
from models.patchcore.coreset import greedy_k_centre
from models.patchcore.detector import PatchCore


@dataclass(frozen=True)
class _Turns:
    """As many steps as there are pictures."""

    steps: int


def fit_patchcore(
    good: Sequence[Sequence[Path]],
    load: Load,
    encoder: PatchCoreEncoder,
    options: PatchCoreOptions,
    compute: Compute,
    *,
    quiet: bool = False,
) -> Fitted[PatchCore]:
    """Fills a bank from pictures of good parts.

    Args:
        good: pictures of good parts, one sequence for each kind of part; each kind gives as many
            vectors.
        load: reads a good picture as RGB uint8 [H,W,3] of the encoder's input size, exactly as
            the service will.
        encoder: frozen encoder, which shapes the model.
        options: size of the bank and the other options of the fit.
        compute: device; the encoder runs in float32.
        quiet: whether the progress bar is left out.

    Raises:
        FitError: the pictures are too few, or never vary.
    """
    split = split_good(good, options)
    model = PatchCore(replace(encoder.config, bank_size=1))
    load_into(model.encoder, encoder)
    place(model.eval(), compute.device, torch.contiguous_format)
    features = PictureFeatures(split.seen, load, model, compute, options.seed)
    progress = Progress("patchcore", _Turns(len(features)), quiet=quiet)
    features.measure(progress)
    bank = torch.cat([_bank(features, part, options) for part in split.parts])
    place(model, torch.device("cpu"), torch.contiguous_format)
    return Fitted(
        with_bank(model, bank), [], len(features), progress.steps_per_s, split.seen, split.held_back
    )


def with_bank(model: PatchCore, bank: Tensor) -> PatchCore:
    """The model with another bank [M,C]; everything else is shared.

    The vectors are rounded to float16, so that a checkpoint holds them in half the bytes and the
    served model is the fitted one.
    """
    filled = PatchCore(replace(model.config, bank_size=len(bank)))
    filled.encoder = model.encoder
    filled.mean, filled.std = model.mean, model.std
    filled.bank.data.copy_(bank.half())
    return filled.eval()


def _bank(features: PictureFeatures, part: range, options: PatchCoreOptions) -> Tensor:
    candidates = features.candidates(part)
    chosen = greedy_k_centre(candidates, options.bank_size, seed=options.seed)
    return candidates[chosen]


@dataclass(frozen=True)
class Split:
    """Good pictures.

    Attributes:
        seen: those that a fit sees, kind after kind.
        held_back: those that it never sees.
        parts: place of each kind of part among those that are seen.
    """

    seen: tuple[Path, ...]
    held_back: tuple[Path, ...]
    parts: tuple[range, ...]


def split_good(good: Sequence[Sequence[Path]], options: PatchCoreOptions) -> Split:
    """Splits the pictures of each kind of part by themselves.

    Raises:
        FitError: a kind has too few pictures for both halves.
    """
    seen: list[tuple[Path, ...]] = []
    held_back: list[tuple[Path, ...]] = []
    for number, kind in enumerate(good):
        order = np.random.default_rng((options.seed, 0, number)).permutation(len(kind))
        shuffled = tuple(kind[int(index)] for index in order)
        kept = math.ceil(options.calibration * len(kind))
        if kept >= len(kind):
            raise FitError(
                f"{len(kind)} good pictures leave none to fit on: give at least 2 of each part"
            )
        seen.append(shuffled[kept:])
        held_back.append(shuffled[:kept])
    ends = np.cumsum([0, *map(len, seen)]).tolist()
    return Split(
        tuple(chain.from_iterable(seen)),
        tuple(chain.from_iterable(held_back)),
        tuple(range(first, last) for first, last in pairwise(ends)),
    )
