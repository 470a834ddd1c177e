"""The fit of a PatchCore on good pictures (Roth et al., CVPR 2022).

Nothing is trained. The features of good pictures are standardised, and greedy k-centre coresets
of them become the banks. No picture is held back for the thresholds: each is scored by a bank of
the same size that has not seen it (`folds.py`). What these scores are at each place of the map is
what is usual there (`takt_models/patchcore/places.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.fit.device import Compute, place
from takt_models.fit.parts import kept_together
from takt_models.fit.patchcore.cells import good_cells
from takt_models.fit.patchcore.encoders import PatchCoreEncoder, load_into
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.fit.patchcore.folds import (
    Folds,
    Part,
    bank_sizes,
    choose,
    gathered,
    score_fold,
    seen_distances,
)
from takt_models.fit.patchcore.locating import gray_of, taught
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.fit.patchcore.turning import read_turned
from takt_models.fit.pictures import Load
from takt_models.fit.progress import Fitted, Progress
from takt_models.patchcore.detector import PatchCore
from takt_models.patchcore.locator import Locator
from takt_models.patchcore.places import Places


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
    part: Sequence[int] | None = None,
    apart: Sequence[int] | None = None,
    lots: Sequence[str] = (),
    aspect: float | None = None,
    quiet: bool = False,
) -> Fitted[PatchCore]:
    """Fills banks from pictures of good parts.

    Args:
        good: pictures of good parts, one sequence for each kind of part.
        load: reads a good picture as RGB uint8 [H,W,3] of the encoder's input size, exactly as
            the service will.
        encoder: frozen encoder, which shapes the model.
        options: size of the bank and the other options of the fit.
        compute: device; the encoder runs in float32.
        part: number of the part that each picture shows, of all kinds one after another; a part
            is scored once. Each shows its own if None.
        apart: a number for each picture, as `Folds.deal` takes it.
        lots: name of each picture's lot, where these are what is held apart.
        aspect: height of the pictures over their width, before `load` made them the input; the
            model gets no locator if None.
        quiet: whether the progress bar is left out.

    Raises:
        FitError: there are fewer than three different pictures, or they never vary.
    """
    paths = tuple(chain.from_iterable(good))
    model = PatchCore(encoder.config)
    load_into(model.encoder, encoder)
    # Convolutions over the channels of a pixel are a quarter faster on a CPU.
    place(model.eval(), compute.device, torch.channels_last)
    features = PictureFeatures(paths, load, model, compute, options.seed)
    progress = Progress("patchcore", _Turns(len(features)), quiet=quiet)
    features.read(progress)
    parts = kept_together(range(len(features)), part)
    deepest = bank_sizes(options.bank_size * len(good), model)[-1]
    turned = read_turned(features, parts, deepest, options.seed)
    features.read_moved()
    filled = fill_banks(
        features,
        options.bank_size * len(good),
        part,
        apart,
        lots,
        seed=options.seed,
        quiet=quiet,
    )
    cells = good_cells(filled.model, features, filled.out_of_fold.pictures)
    place(filled.model, torch.device("cpu"), torch.contiguous_format)
    if aspect is not None:
        set_locator(
            filled.model,
            taught(filled.model, lambda number: gray_of(load(paths[number])), parts, aspect),
        )
    return Fitted(
        filled.model,
        [],
        len(features),
        progress.steps_per_s,
        paths,
        (),
        out_of_fold=filled.out_of_fold,
        good_cells=cells,
        turned=turned,
    )


@dataclass(frozen=True)
class Filled:
    """A model with its banks.

    Attributes:
        model: detector, on the device of the features.
        out_of_fold: distances of good pictures, each to banks that have not seen its fold.
        seen: mean distances of good pictures to the model's banks, which have seen them, [L,h,w].
    """

    model: PatchCore
    out_of_fold: OutOfFold
    seen: Tensor


def fill_banks(
    features: PictureFeatures,
    bank_size: int,
    part: Sequence[int] | None = None,
    apart: Sequence[int] | None = None,
    lots: Sequence[str] = (),
    *,
    seed: int,
    quiet: bool = False,
) -> Filled:
    """Fills the banks from the features of all pictures, and scores these out of fold.

    Args:
        features: features that have been read.
        bank_size: most vectors of all banks together.
        part: number of the part that each picture shows; each shows its own if None.
        apart: a number for each picture, as `Folds.deal` takes it.
        lots: name of each picture's lot, where these are what is held apart.
        seed: seed of the folds.
        quiet: whether the progress bar is left out.

    Raises:
        FitError: there are fewer than three different pictures, or they never vary.
    """
    folds = Folds.deal(kept_together(range(len(features)), part), seed, apart)
    features.measure(folds.measured)
    sizes = bank_sizes(bank_size, features.model)
    model = with_banks(features.model, choose(features, folds.all, sizes, seed))
    scored: list[tuple[Part, Tensor]] = []
    for number in Progress("scoring", _Turns(len(folds.of)), quiet=quiet):
        fold = folds.of[number]
        banks = choose(features, folds.others(number), sizes, seed)
        scored += zip(fold, score_fold(model, features, fold, banks), strict=True)
    found = gathered(scored, len(folds.of), lots)
    seen = seen_distances(model, features, found.pictures)
    set_places(model, found.places, seen)
    return Filled(model, found, seen)


def with_banks(model: PatchCore, vectors: Sequence[Tensor]) -> PatchCore:
    """The model with other banks [M,C], one for each layer; everything else is shared."""
    filled = PatchCore(replace(model.config, bank_sizes=tuple(map(len, vectors))))
    filled.encoder, filled.head, filled.locator = model.encoder, model.head, model.locator
    for bank, former, kept in zip(filled.banks, model.banks, vectors, strict=True):
        bank.mean, bank.std = former.mean, former.std
        bank.vectors.data = kept.to(former.mean.device)
    filled.usual = model.usual.clone()
    filled.spread = model.spread.clone()
    return filled.eval().to(model.usual.device)


def set_locator(model: PatchCore, locator: Locator | None) -> None:
    """Gives the model a locator, or none."""
    model.config, model.locator = replace(model.config, locates=locator is not None), locator


def set_places(model: PatchCore, places: Places, seen: Tensor) -> None:
    """Gives the model what is usual at each place.

    Args:
        model: detector.
        places: sums of good pictures' distances to banks that have not seen them.
        seen: mean distances of good pictures to the model's own banks, [L,h,w].
    """
    usual, spread = places.served(seen)
    model.usual.copy_(usual)
    model.spread.copy_(spread)
